"""The application of initiatives."""

from importlib import import_module

from django.apps import AppConfig


class InitiativesConfig(AppConfig):
    """Registers models, and the documents that are read."""

    name = "onestep.initiatives"
    label = "initiatives"

    def ready(self) -> None:
        """Load the document models, which stand beside `models` and need them, and the admin of attachments."""
        import_module("onestep.initiatives.documents")
        import_module("onestep.initiatives.attachment_documents")
        import_module("onestep.initiatives.attachment_admin")
