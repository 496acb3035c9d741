"""What the backup service says of its backups: the file that BACKUP_STATUS names, as it writes that after each attempt.

{"version": 1,
 "last_attempt": {"at": "2026-01-01T03:00:00Z", "outcome": "ok" or "failed", "id": null or "onestep.E0NN",
                  "detail": "…", "seconds": 12.3},
 "last_good": {"at": "…", "snapshot": "abcd1234", "bytes": 123456, "seconds": 12.3} or null,
 "interval_seconds": 86400}
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

# What is larger than this is no status file.
MOST_BYTES = 64 * 1024

ERROR_ID = re.compile(r"onestep\.E\d{3}")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The last attempt: when it ended, whether it made a backup that holds, and else its error id and words."""

    at: datetime
    ok: bool
    id: str | None
    said: str


@dataclass(frozen=True, kw_only=True)
class Good:
    """The last good backup: when it was made, its size in bytes, and the seconds that it took."""

    at: datetime
    bytes: int
    seconds: float

    def age(self) -> timedelta:
        """Return how old it is; nothing where a clock goes ahead of this one."""
        return max(timezone.now() - self.at, timedelta())


@dataclass(frozen=True, kw_only=True)
class BackupStatus:
    """What was tried, and what there is."""

    last_attempt: Attempt
    last_good: Good | None


@dataclass(frozen=True, kw_only=True)
class BackupFault:
    """What is wrong with the backups. `message` may be shown to anyone; `said` is for the log."""

    id: str
    message: str
    said: str = ""


class BackupStatusError(Exception):
    """There is no status that could be read; `fault` says why."""

    def __init__(self, fault: BackupFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read_backup_status() -> BackupStatus:
    """Return what BACKUP_STATUS says. Raises BackupStatusError where it is missing, unreadable or malformed."""
    try:
        with Path(settings.BACKUP_STATUS).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        message = "No backup was tried yet, or its status is not where BACKUP_STATUS looks for it."
        raise BackupStatusError(BackupFault(id="E060", message=message)) from None
    except OSError as error:
        message = f"The backups' status cannot be read: {error.strerror}."
        raise BackupStatusError(BackupFault(id="E061", message=message, said=str(error))) from None
    try:
        return _parse(content)
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        fault = BackupFault(id="E062", message="The backups' status is not of its form.", said=repr(error)[:500])
        raise BackupStatusError(fault) from None


def backup_fault(status: BackupStatus) -> BackupFault | None:
    """Return what is wrong with the backups, the graver first: none that is young enough, then a failed attempt."""
    attempt, good = status.last_attempt, status.last_good
    said = "" if attempt.ok else f"{attempt.id or 'no id'}: {attempt.said}"
    if good is None:
        return BackupFault(id="E063", message="There is no good backup.", said=said)
    if good.age() > timedelta(hours=settings.BACKUP_MAX_AGE_HOURS):
        message = f"The last good backup is older than {settings.BACKUP_MAX_AGE_HOURS} hours."
        return BackupFault(id="E064", message=message, said=said)
    if not attempt.ok:
        return BackupFault(id="E065", message="The last attempt to make a backup failed.", said=said)
    return None


def describe(status: BackupStatus) -> dict[str, Any]:
    """Return what readiness says of them: nothing in it names a repository, a host or a path."""
    attempt, good = status.last_attempt, status.last_good
    described: dict[str, Any] = {
        "last_attempt": {"at": attempt.at.isoformat(), "outcome": "ok" if attempt.ok else "failed"}
    }
    if attempt.id:
        described["last_attempt"]["id"] = attempt.id
    if good:
        described["last_good"] = {
            "at": good.at.isoformat(),
            "age_seconds": round(good.age().total_seconds()),
            "bytes": good.bytes,
        }
    return described


def _parse(content: bytes) -> BackupStatus:
    """Return the status. Raises an error of Python's own where it is not of the form above."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    read = json.loads(content, parse_constant=_refuse)
    if read["version"] != 1:
        raise ValueError(f"version {read['version']!r} is not known")
    attempt, good = read["last_attempt"], read["last_good"]
    error_id = attempt.get("id")
    return BackupStatus(
        last_attempt=Attempt(
            at=_time(attempt["at"]),
            ok={"ok": True, "failed": False}[attempt["outcome"]],
            id=error_id if error_id and ERROR_ID.fullmatch(error_id) else None,
            said=str(attempt.get("detail") or "")[:500],
        ),
        last_good=None
        if good is None
        else Good(at=_time(good["at"]), bytes=int(_number(good["bytes"])), seconds=float(_number(good["seconds"]))),
    )


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return time


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is not a number from 0 on")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")
