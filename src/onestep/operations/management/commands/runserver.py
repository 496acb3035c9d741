"""`onestep runserver`."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.utils.autoreload import StatReloader


class Command(runserver.Command):
    """Django's development server, which looks for changed files twice a second.

    Its own second, and the second that a new process takes to be ready, would be more than the two in which a change
    is to be served. A look costs about 20 ms.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        StatReloader.SLEEP_TIME = 0.5  # type: ignore[assignment]  # the stubs know whole seconds only
        super().handle(*args, **options)
