"""OneStep: a REST API for organisations that run initiatives with people and groups."""

from importlib.metadata import version

__version__ = version("onestep")
