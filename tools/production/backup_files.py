"""The files that a repository elsewhere needs, looked at before anything is started."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from tools.production.mounted_files import COPY, Problem, is_readable

FILES = ("BACKUP_CREDENTIALS", "BACKUP_SSH_KEY", "BACKUP_SSH_KNOWN_HOSTS")
USER, GROUP = 10001, 0  # docker/backup/Dockerfile
OPEN_TO_OTHERS = 0o077


def backup_file_problems(setting: Callable[[str, str], str], folder: Path) -> list[Problem]:
    """Return why the backup container could not use its files, each with an id, what is wrong and what to do.

    `folder` is the one that a relative path starts from: that of compose.prod.yml.
    """
    given = [(name, setting(name, "")) for name in FILES]
    return [
        ("E088", f"{name}: {path} {what}", todo)
        for name, path in given
        if path
        for what, todo in file_problems(name, folder / Path(path).expanduser())
    ]


def file_problems(name: str, file: Path) -> list[tuple[str, str]]:
    """Return what is wrong with the file of a variable, and what to do; nothing where the container can use it."""
    try:
        found = file.stat()
        readable = is_readable(file, USER, GROUP)
    except OSError as error:
        return [(f"cannot be read: {error.strerror}.", "Give the path of a file, or leave it out.")]
    if stat.S_ISDIR(found.st_mode):
        return [("is a folder.", "Give the path of a file, or leave it out.")]
    if not readable:
        return [(f"is not readable by the backup container's user, {USER}.", COPY)]
    if name == "BACKUP_SSH_KEY" and found.st_uid == USER and found.st_mode & OPEN_TO_OTHERS:
        return [
            (
                f"belongs to the backup container's user, {USER}, and others can read it: ssh refuses such a key.",
                "chmod 0400 it, or let it belong to another user.",
            )
        ]
    return []
