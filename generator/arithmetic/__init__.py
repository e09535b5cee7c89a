"""TFLM's integer arithmetic: scales into multipliers, tables and values, bit for bit."""
