"""Files of the operator that a container reads: whether its user can."""

from __future__ import annotations

import stat
from pathlib import Path

Problem = tuple[str, str, str]
COPY = "Put a copy into a folder that only you enter, such as production/secrets, and chmod 0444 it."


def is_readable(file: Path, user: int, group: int) -> bool:
    """Return whether a process with these ids, and no capability, reads a file that is mounted. Raises OSError."""
    found = file.stat()
    if found.st_uid == user:
        return bool(found.st_mode & stat.S_IRUSR)
    if found.st_gid == group:
        return bool(found.st_mode & stat.S_IRGRP)
    return bool(found.st_mode & stat.S_IROTH)
