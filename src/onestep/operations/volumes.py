"""The folders that OneStep writes to: whether this process may, and how to mend it where not."""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True, kw_only=True)
class VolumeFault:
    """Why a folder cannot be written to. `message` names no path; `str` of it does, and says what to do."""

    id: str
    variable: str
    path: Path
    message: str
    hint: str

    def __str__(self) -> str:
        return f"onestep.{self.id} {self.variable}: {self.path}: {self.message}\n    {self.hint}"


def media_writable() -> bool:
    """Return whether attachments can be stored at the moment. Where not, an upload answers 503 `storage_read_only`."""
    return examine("MEDIA_ROOT", settings.MEDIA_ROOT) is None


def volume_faults() -> list[VolumeFault]:
    """Return what is wrong with the folders of media, static files and, where set, logs."""
    faults = [examine("MEDIA_ROOT", settings.MEDIA_ROOT), examine_static()]
    if settings.LOG_DIR:
        faults.append(examine("LOG_DIR", settings.LOG_DIR))
    return [fault for fault in faults if fault]


def examine_static() -> VolumeFault | None:
    """Return what is wrong with the static files: an image brings them, and then nothing is written there any more."""
    root = Path(settings.STATIC_ROOT)
    if (root / "staticfiles.json").is_file():
        return None
    fault = examine("STATIC_ROOT", root)
    if fault or settings.DEBUG:  # in development they are served from where they are written
        return fault
    message, hint = "the static files are not collected.", "Run `onestep collectstatic --noinput`."
    return VolumeFault(id="E046", variable="STATIC_ROOT", path=root, message=message, hint=hint)


def examine(variable: str, folder: str | Path) -> VolumeFault | None:
    """Return what is wrong with the folder, or None where a file can be made in it: it is tried, not guessed."""
    path = Path(folder)
    uid, gid = os.geteuid(), os.getegid()
    give = (
        f"`chown -R {uid}:{gid} {path}` as root. For a named volume: `docker run --rm --user 0 --entrypoint chown "
        f"--volume VOLUME:{path} IMAGE -R {uid}:{gid} {path}`."
    )
    try:
        with tempfile.TemporaryFile(dir=path, prefix=".onestep-"):
            return None
    except OSError as error:
        match error.errno:
            case errno.ENOENT | errno.ENOTDIR:
                fault = (
                    "E040",
                    "there is no such folder.",
                    f"Mount the volume there, or `mkdir -p {path}`, then {give}",
                )
            case errno.EACCES | errno.EPERM:
                message = f"the folder is not writable by this process, which runs as user id {uid}."
                fault = ("E041", message, f"Give it the folder: {give}")
            case errno.EROFS:
                fault = ("E042", "the folder is mounted read-only.", "Mount it without `:ro` (`readOnly`).")
            case errno.ENOSPC | errno.EDQUOT:
                fault = ("E043", "the disk or quota is full.", "Make room there.")
            case _:
                fault = ("E045", f"no file can be made in the folder: {error.strerror}.", "Look at the storage itself.")
    error_id, message, hint = fault
    return VolumeFault(id=error_id, variable=variable, path=path, message=message, hint=hint)
