"""Media files: pinned while they are backed up, compared with the database's hashes, and brought back.

A stored file is never overwritten, and its name is never used again. So a second link to it keeps its content whatever
the service does meanwhile, and costs no room.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from onestep_backup.configuration import MEDIA
from onestep_backup.problems import BackupError, disk_full
from onestep_backup.programs import CHUNK
from onestep_backup.restic import Repository

PINNED = MEDIA / ".backup"  # what a run that is under way backs up
RESTORED = MEDIA / ".restored"  # those of a restored database that is not the live one yet
FORMER = MEDIA / ".former"  # the files of the database that a restore kept
INCOMING = MEDIA / ".restoring"
FOLDER_MODE = 0o770  # as the service makes them
FILE_MODE = 0o640

Files = Mapping[str, tuple[str, int]]


def pin(files: Iterable[str], into: Path) -> list[str]:
    """Link the files into a folder, under their names; return the names of those that are not there."""
    lost = []
    for name in files:
        target = into / _safe(name)
        _make_folder(target.parent, MEDIA)
        try:
            os.link(MEDIA / name, target)
        except FileExistsError:
            continue
        except FileNotFoundError:
            lost.append(name)
        except OSError:  # a file system without links, or a file that is another user's
            shutil.copy2(MEDIA / name, target)
    return lost


def drop_changed(files: Files, pinned: Path) -> list[str]:
    """Remove the links to files that have other content than was uploaded; return their names."""
    changed = []
    for name, expected in files.items():
        path = pinned / _safe(name)
        if path.exists():
            with path.open("rb") as content:
                found = hash_of(content)
            if found != expected:
                path.unlink()
                changed.append(name)
    return changed


def unpin(folder: Path) -> None:
    """Remove a folder of links."""
    if folder.exists():
        shutil.rmtree(folder)


def read_tree(repository: Repository, snapshot: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the media files of a backup as they come from the repository: stored name, and content to be read.

    Raises BackupError where one cannot be read.
    """
    with repository.reading(snapshot, PINNED) as program:
        try:
            with tarfile.open(fileobj=program.output, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content:
                        yield str(PurePosixPath("/", member.name).relative_to(PINNED)), content
        except (tarfile.TarError, EOFError) as error:
            repository.finish_reading(program, "The media files")
            raise _altered(f"the archive of media files is not whole ({error})") from None
        repository.finish_reading(program, "The media files")


def hash_of(content: IO[bytes]) -> tuple[str, int]:
    """Return the SHA-256 and the size of what is read."""
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def hashes_in(repository: Repository, snapshot: str) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and size of every media file of a backup, read from the repository."""
    return {name: hash_of(content) for name, content in read_tree(repository, snapshot)}


def bring_back(repository: Repository, snapshot: str, files: Files) -> int:
    """Put the files of a backup where they are missing or have other content; return how many.

    Nothing else is touched: what the live database names has other names, or the same content.
    """
    wanted = {name for name, expected in files.items() if not _is_there(name, expected)}
    if not wanted:
        return 0
    unpin(INCOMING)
    INCOMING.mkdir(mode=FOLDER_MODE)
    brought = 0
    try:
        for name, content in read_tree(repository, snapshot):
            if name not in wanted:
                continue
            received = INCOMING / "file"
            with received.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
                file.flush()
                os.fsync(file.fileno())
            with received.open("rb") as file:
                if hash_of(file) != files[name]:
                    raise _altered(f"{name} has other content than its hash says")
            received.chmod(FILE_MODE)
            target = MEDIA / _safe(name)
            _make_folder(target.parent, MEDIA)
            received.replace(target)
            brought += 1
    except OSError as error:
        raise disk_full(str(error)) or BackupError(
            "E068", f"The media volume cannot be written to: {error}", "Mend the volume, then run it again."
        ) from None
    finally:
        unpin(INCOMING)
    return brought


def link_back(folder: Path) -> None:
    """Give the files of a folder of links their names again, where they are missing."""
    for path in folder.rglob("*"):
        if path.is_file():
            target = MEDIA / path.relative_to(folder)
            _make_folder(target.parent, MEDIA)
            with suppress(FileExistsError):
                os.link(path, target)


def _is_there(name: str, expected: tuple[str, int]) -> bool:
    try:
        with (MEDIA / _safe(name)).open("rb") as file:
            return hash_of(file) == expected
    except FileNotFoundError:
        return False


def _safe(name: str) -> PurePosixPath:
    """Return a stored name as a path. Raises BackupError for one that leads out of the volume."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0].startswith("."):
        raise _altered(f"{name!r} is no name of an attachment")
    return path


def _make_folder(folder: Path, root: Path) -> None:
    path = root
    for part in folder.relative_to(root).parts:
        path /= part
        if not path.is_dir():
            path.mkdir(exist_ok=True)
            path.chmod(FOLDER_MODE)


def _altered(what: str) -> BackupError:
    return BackupError("E075", f"The backup cannot be used: {what}.", "Choose another backup: make backups lists them.")
