"""`make backups`: what there is, as a table."""

from __future__ import annotations

from datetime import UTC, datetime

from onestep_backup.configuration import Configuration
from onestep_backup.restic import Repository
from onestep_backup.status import read_status


def print_backups(configuration: Configuration) -> None:
    """Print the verified backups, what the repository takes, how long they are kept, and the last attempt."""
    repository = Repository(configuration)
    there = repository.is_there()
    print(f"{'snapshot':10}{'made (UTC)':18}{'age':>10}{'size':>12}{'files':>8}")
    for one in repository.snapshots() if there else []:
        if one.verified:
            age = datetime.now(UTC) - one.at
            print(
                f"{one.id:10}{one.at:%Y-%m-%d %H:%M}  {_age(age.total_seconds()):>10}"
                f"{_size(one.bytes or 0):>12}{one.files or 0:>8}"
            )
    print(f"\nThe repository {repository.address} takes {_size(repository.size() if there else 0)}.")
    kept = ", ".join(f"{number} {word}" for word, number in configuration.keep.items())
    print(f"Kept: {kept}, and the last 3.")
    attempt = read_status().last_attempt
    if attempt is None:
        print("No attempt was made yet.")
    elif attempt["outcome"] == "ok":
        print(f"The last attempt, at {attempt['at']}, was good ({attempt['seconds']} s).")
    else:
        print(f"The last attempt, at {attempt['at']}, failed: {attempt['id']} {attempt['detail']}")


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
