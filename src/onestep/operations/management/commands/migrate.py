"""`onestep migrate`."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from onestep.documents import install_views


class Command(migrate.Command):
    """Django's migrate, then the documents' views."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate."""
        super().handle(*args, **options)
        install_views(options["database"])
