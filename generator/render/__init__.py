"""Plan into the files of a self-contained CMake project."""

from generator.render.project import Engine, Network, Platform, Project, render_project
from generator.render.write import write_project

__all__ = ["Engine", "Network", "Platform", "Project", "render_project", "write_project"]
