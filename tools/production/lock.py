"""One run at a time: two that change the same stack at once would each remove what the other has started."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tools.production.stack import Production, ProductionError
from tools.production.steps import say


@contextmanager
def alone(production: Production) -> Iterator[None]:
    """Hold the lock of this installation. Raises ProductionError where a run that lives holds it.

    A run that was killed may have left a `docker` command behind, which holds the lock on: that is waited for.
    """
    production.folder.mkdir(parents=True, exist_ok=True)
    with (production.folder / "lock").open("a+") as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            if lives(holder):
                raise ProductionError(
                    (
                        "E093",
                        f"Another run changes this stack: process {holder}.",
                        "Wait until it has ended, and begin again.",
                    )
                ) from None
            say("A run was killed; waiting for the Docker command that it left behind …")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def lives(process: str) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
