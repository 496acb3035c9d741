"""The environment of the backup service, read once. docs/operations.md lists the variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from onestep_backup.problems import BackupError

WORK = Path("/spool")
STATE = Path("/state")
MEDIA = Path("/media")
SECRETS = Path("/run/secrets")
TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
SUBSET = re.compile(r"\d+(\.\d+)?%|\d+[KMGT]?|\d+/\d+")
LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What this installation wants. `times` are of the day, in UTC; `keep` is restic's word and a number."""

    repository: str
    credentials: Mapping[str, str]
    times: tuple[time, ...]
    keep: Mapping[str, int]
    check_subset: str
    max_age_hours: int
    wait_seconds: int
    database: str
    database_environment: Mapping[str, str]

    @property
    def interval_seconds(self) -> int:
        """The longest time between two backups of the schedule."""
        minutes = [moment.hour * 60 + moment.minute for moment in self.times]
        return 60 * max(
            (later - earlier) % 1440 or 1440 for earlier, later in zip(minutes, minutes[1:] + minutes[:1], strict=True)
        )


def read_configuration(environment: Mapping[str, str] = os.environ, secrets: Path = SECRETS) -> Configuration:
    """Return what the environment says. Raises BackupError where a value is not of its kind or a secret is missing."""
    times = [moment.strip() for moment in (environment.get("BACKUP_AT") or "03:00").split(",")]
    for moment in times:
        if not TIME.fullmatch(moment):
            raise _wrong("BACKUP_AT", moment, "a time of day in UTC such as 03:00, or several separated by commas")
    subset = environment.get("BACKUP_CHECK_SUBSET") or "100%"
    if not SUBSET.fullmatch(subset):
        raise _wrong("BACKUP_CHECK_SUBSET", subset, "a share such as 10%, a size such as 5G, or a part such as 1/7")
    for name in ("backup_password", "db_owner_password"):
        _read_secret(secrets / name)
    for name in ("backup_ssh_key", "backup_ssh_known_hosts"):  # ssh would name neither the variable nor the way out
        _read_file(secrets, name)
    return Configuration(
        repository=environment.get("BACKUP_REPOSITORY") or "/repository",
        credentials=_read_credentials(secrets),
        times=tuple(sorted({time.fromisoformat(moment) for moment in times})),
        keep={
            word: _number(environment, f"BACKUP_KEEP_{word.upper()}", default, 1)
            for word, default in (("daily", 7), ("weekly", 5), ("monthly", 12))
        },
        check_subset=subset,
        max_age_hours=_number(environment, "BACKUP_MAX_AGE_HOURS", 26, 1),
        wait_seconds=_number(environment, "BACKUP_WAIT_SECONDS", 3600, 0),
        database=environment.get("POSTGRES_DB") or "onestep",
        database_environment={
            "PGHOST": environment.get("DB_HOST") or "db",
            "PGPORT": environment.get("DB_PORT") or "5432",
            "PGUSER": environment.get("POSTGRES_USER") or "onestep_owner",
            "PGPASSWORD": _read_secret(secrets / "db_owner_password"),
        },
    )


def _number(environment: Mapping[str, str], name: str, default: int, least: int) -> int:
    raw = environment.get(name) or str(default)
    if not re.fullmatch(r"\d{1,6}", raw) or int(raw) < least:
        raise _wrong(name, raw, f"a whole number from {least} on")
    return int(raw)


def _read_secret(file: Path) -> str:
    try:
        value = file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise BackupError(
            "E004", f"The secret {file} cannot be read: {error.strerror}.", "make prod-init makes what is missing."
        ) from None
    if not value:
        raise BackupError("E001", f"The secret {file} is empty.", "Remove its file, and make prod-init makes one.")
    return value


def _read_file(secrets: Path, name: str) -> str:
    """Return what is in a file that an operator may give. No file: nothing."""
    try:
        return (secrets / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(
            "E088",
            f"The file of {name.upper()} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Let it be readable by this container's user: a copy of mode 0444 in a folder that only you enter.",
        ) from None


def _read_credentials(secrets: Path) -> dict[str, str]:
    """Return the NAME=value lines of the file, which restic gets as its environment."""
    lines = (line.strip() for line in _read_file(secrets, "backup_credentials").splitlines())
    return {match[1]: match[2].strip("'\"") for line in lines if (match := LINE.fullmatch(line))}


def _wrong(name: str, value: str, expected: str) -> BackupError:
    return BackupError("E002", f"{name}: {value!r} is not {expected}.", f"Correct {name} in settings.env.")
