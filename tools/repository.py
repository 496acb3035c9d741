"""The repository's files for a scan: what git knows or would add as it is now, and what it ever knew."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def stage(repository: Path, target: Path) -> None:
    """Copy the files into `target`/now, and former content of any branch or tag into `target`/history/<blob>.

    A folder that is not the top of a repository has no history, and every file of it is copied.
    """
    if not (repository / ".git").exists():
        shutil.copytree(repository, target / "now", symlinks=True)
        return
    listed = git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    names = [name for name in listed if name and (repository / name).is_file() and not (repository / name).is_symlink()]
    for name in names:
        copy = target / "now" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository / name, copy)
    current = set(git(repository, "hash-object", "--stdin-paths", given="\n".join(names)).decode().split())
    paths = {}
    for line in git(repository, "rev-list", "--objects", "--all").decode(errors="replace").splitlines():
        name, _, path = line.partition(" ")
        if path and name not in current:
            paths[name] = path
    write_blobs(git(repository, "cat-file", "--batch", given="\n".join(paths)), paths, target / "history")


def write_blobs(batch: bytes, paths: dict[str, str], target: Path) -> None:
    """Write each blob of `git cat-file --batch` to its path, under a folder named for the blob."""
    place = 0
    while place < len(batch):
        end = batch.index(b"\n", place)
        name, kind, size = batch[place:end].decode().split()
        place = end + 1 + int(size) + 1
        if kind == "blob":
            path = target / name[:12] / paths[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(batch[end + 1 : place - 1])


def is_shallow(repository: Path) -> bool:
    """Return whether the clone lacks some of its history."""
    return git(repository, "rev-parse", "--is-shallow-repository").strip() == b"true"


def git(repository: Path, *arguments: str, given: str = "") -> bytes:
    """Return what a git command prints."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, input=given.encode(), capture_output=True, check=True).stdout
