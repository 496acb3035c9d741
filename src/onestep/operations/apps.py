"""The application of operations."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Registers the app."""

    name = "onestep.operations"
    label = "operations"
