"""The application of operations."""

from django.apps import AppConfig

from onestep.operations import logs


class OperationsConfig(AppConfig):
    """Registers the app."""

    name = "onestep.operations"
    label = "operations"

    def ready(self) -> None:
        """Have the requests' log lines say who, from where and how long."""
        logs.connect()
