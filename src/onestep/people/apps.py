"""The application of people."""

from importlib import import_module

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Registers models, and the documents that are read."""

    name = "onestep.people"
    label = "people"

    def ready(self) -> None:
        """Load the document models, which stand beside `models` and need them."""
        import_module("onestep.people.documents")
