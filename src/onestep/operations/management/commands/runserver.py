"""`onestep runserver`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.management.commands import runserver
from django.core.servers.basehttp import ServerHandler
from django.utils import autoreload

STARTED = time.time()


class Reloader(autoreload.StatReloader):
    """Django's reloader, which looks three times a second and also finds what changed before its first look.

    Its own second, and the second that a new process takes to be ready, would be more than the two in which a change
    is to be served. A look costs about 20 ms. Django takes the times of its first look for those of the code it has
    loaded, so that a file that is saved again while the process starts would be served in its former form for good.
    """

    SLEEP_TIME = 0.3  # type: ignore[assignment]  # the stubs know whole seconds only

    def tick(self) -> Iterator[None]:
        """Look for changed files, again and again; exit the process where there is one."""
        seen: dict[Path, float] = {}
        while True:
            now = time.time()
            for path, changed in self.snapshot_files():
                # At first sight a time in the future says that clocks differ, not that the file was changed.
                if changed > seen.get(path, STARTED) and (path in seen or changed <= now):
                    self.notify_file_changed(path)
                seen[path] = changed
            time.sleep(self.SLEEP_TIME)
            yield


class Command(runserver.Command):
    """Django's development server, which reloads within two seconds, and keeps its environment to itself.

    The library's server adds the environment to each request, and debug pages would show it, with the password in
    DATABASE_URL.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        ServerHandler.os_environ = {}
        autoreload.get_reloader = Reloader  # Django has no setting for it
        super().handle(*args, **options)
