"""Labelled pictures: folders in the usual layouts, what is wrong with them, and drawings."""
