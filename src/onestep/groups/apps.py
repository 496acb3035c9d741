"""The application of groups."""

from importlib import import_module

from django.apps import AppConfig


class GroupsConfig(AppConfig):
    """Registers models, and the documents that are read."""

    name = "onestep.groups"
    label = "groups"

    def ready(self) -> None:
        """Load the document models, which stand beside `models` and need them."""
        import_module("onestep.groups.documents")
