"""What others read of the backups: status.json, and the lock that lets one run at a time work."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onestep_backup.configuration import STATE, Configuration
from onestep_backup.problems import BackupError
from onestep_backup.restic import Snapshot

FILE = STATE / "status.json"
LOCK = STATE / "lock"
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Status:
    """The last attempt (when it ended) and the last good backup (the moment that it holds), as they are stored."""

    last_attempt: dict[str, Any] | None
    last_good: dict[str, Any] | None

    @property
    def attempted_at(self) -> datetime | None:
        """When the last attempt ended."""
        return None if self.last_attempt is None else datetime.fromisoformat(self.last_attempt["at"])

    @property
    def good_at(self) -> datetime | None:
        """The moment that the last good backup holds."""
        return None if self.last_good is None else datetime.fromisoformat(self.last_good["at"])


def read_status(file: Path = FILE) -> Status:
    """Return what was written. Nothing, or what cannot be read, counts as no attempt."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        status = Status(last_attempt=read["last_attempt"], last_good=read["last_good"])
        _ = (status.attempted_at, status.good_at, (status.last_attempt or {"outcome": None})["outcome"])
    except (OSError, ValueError, KeyError, TypeError):
        return Status(last_attempt=None, last_good=None)
    return status


def note_good(configuration: Configuration, snapshot: Snapshot, *, at: datetime, seconds: float, detail: str) -> None:
    """Note a good backup: `at` is the moment that it holds."""
    good = {"at": stamp(at), "snapshot": snapshot.id, "bytes": snapshot.bytes, "seconds": round(seconds, 1)}
    _write(configuration, {"outcome": "ok", "id": None, "detail": detail}, seconds=seconds, good=good)


def note_failure(configuration: Configuration, error: BackupError, *, seconds: float) -> None:
    """Note that an attempt failed; the last good backup stays what it was."""
    attempt = {"outcome": "failed", "id": error.id, "detail": error.what[:500]}
    _write(configuration, attempt, seconds=seconds, good=read_status().last_good)


def _write(
    configuration: Configuration, attempt: dict[str, Any], *, seconds: float, good: dict[str, Any] | None
) -> None:
    """Write the file so that a reader sees the old one or the new one, also after a power cut."""
    status = {
        "version": 1,
        "last_attempt": {"at": stamp(datetime.now(UTC)), **attempt, "seconds": round(seconds, 1)},
        "last_good": good,
        "interval_seconds": configuration.interval_seconds,
    }
    new = FILE.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(status, file)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o644)  # the web service reads it as another user
    new.replace(FILE)


def stamp(moment: datetime) -> str:
    """Return a moment as it is written: in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def alone(*, wait: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of this installation. The kernel lets go of it when the process ends, however it ends.

    Raises BackupError where another run has not finished after `wait` seconds.
    """
    with LOCK.open("a+") as file:
        deadline = time.monotonic() + wait
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            file.seek(0)
            since = file.read().strip()
            if time.monotonic() >= deadline:
                raise BackupError(
                    "E072",
                    f"Another run of backup or restore is under way since {since}, for more than {wait:g} s.",
                    "Let it finish, and run this again; make prod-logs shows what it does.",
                )
            if not told:
                say(f"Another run is under way since {since}: waiting for it.")
                told = True
            time.sleep(POLL_SECONDS)
        file.seek(0)
        file.truncate()
        file.write(stamp(datetime.now(UTC)))
        file.flush()
        yield
