"""`onestep runserver`."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.core.servers.basehttp import ServerHandler
from django.utils.autoreload import StatReloader


class Command(runserver.Command):
    """Django's development server, which looks for changed files twice a second, and keeps its environment to itself.

    Its own second, and the second that a new process takes to be ready, would be more than the two in which a change
    is to be served. A look costs about 20 ms. The library's server adds the environment to each request, and debug
    pages would show it, with the password in DATABASE_URL.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        ServerHandler.os_environ = {}
        StatReloader.SLEEP_TIME = 0.5  # type: ignore[assignment]  # the stubs know whole seconds only
        super().handle(*args, **options)
