"""The repository: what is asked of restic, and what its words mean. https://restic.readthedocs.io/"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from onestep_backup.configuration import SECRETS, WORK, Configuration
from onestep_backup.problems import BackupError, disk_full, last_words
from onestep_backup.programs import Program, run, running

OURS, VERIFIED, EMPTY = "onestep", "verified", "empty"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One backup in the repository. `bytes` is the size of what it holds; None for one that was not verified.

    `original` is the id that it had before it was marked as verified.
    """

    id: str
    original: str
    at: datetime
    verified: bool
    empty: bool  # of a database without data
    bytes: int | None
    files: int | None


class Repository:
    """The restic repository of this installation."""

    def __init__(self, configuration: Configuration) -> None:
        self.address = configuration.repository
        self._keep = configuration.keep
        self._subset = configuration.check_subset
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(WORK),
            "TMPDIR": str(WORK),
            "RESTIC_CACHE_DIR": str(WORK / "cache"),
            "RESTIC_REPOSITORY": self.address,
            "RESTIC_PASSWORD_FILE": str(SECRETS / "backup_password"),
            "RESTIC_PROGRESS_FPS": "0.01",
            **configuration.credentials,
        }

    def is_there(self) -> bool:
        """Return whether there is a repository at the address.

        Raises BackupError where that cannot be said, or it has another password.
        """
        status, _, errors = self._run("cat", "config", "--no-lock")
        if status != 0 and "Is there a repository at the following location?" not in errors:
            raise self._failure("opened", errors)
        return status == 0

    def make(self) -> None:
        """Make the repository. restic refuses where there is one."""
        self._do("made", "init", "--quiet")

    def unlock(self) -> None:
        """Remove the locks that a killed run of this installation left. Whoever calls has the run's own lock.

        restic itself takes a lock for stale after half an hour: it cannot know that the process is gone.
        """
        ids = self._do("read", "list", "locks", "--no-lock").split()
        locks = [json.loads(self._do("read", "cat", "lock", one, "--no-lock")) for one in ids]
        if not locks:
            return
        ours = all(lock.get("hostname") == socket.gethostname() for lock in locks)
        self._do("unlocked", "unlock", *(["--remove-all"] if ours else []))

    def snapshots(self) -> list[Snapshot]:
        """Return the backups, the oldest first."""
        found = json.loads(self._do("read", "snapshots", "--json", "--no-lock", "--tag", OURS)) or []
        return sorted((_snapshot(one) for one in found), key=lambda one: one.at)

    def size(self) -> int:
        """Return how many bytes the repository takes."""
        return int(json.loads(self._do("read", "stats", "--json", "--no-lock", "--mode=raw-data"))["total_size"])

    def back_up(self, *folders: Path) -> str:
        """Store folders as a snapshot that does not count yet; return its id.

        A file's change time says nothing: it changes with each link to the file, and no file is overwritten.
        """
        output = self._do(
            "written", "backup", "--json", "--quiet", "--ignore-ctime", f"--tag={OURS}", *map(str, folders)
        )
        summary = json.loads(output.strip().splitlines()[-1])
        return str(summary["snapshot_id"])

    def mark_verified(self, snapshot: str, *, size: int, files: int, empty: bool) -> Snapshot:
        """Let a snapshot count; return it as it is called from then on."""
        tags = f"{OURS},{VERIFIED},bytes={size},files={files}" + f",{EMPTY}" * empty
        self._do("written", "tag", "--quiet", f"--set={tags}", snapshot)
        return next(one for one in self.snapshots() if one.original.startswith(snapshot))

    def forget_unverified(self) -> int:
        """Remove what killed or failed runs left; return how many there were. Their data goes with the next prune."""
        ids = [one.id for one in self.snapshots() if not one.verified]
        if ids:
            self._do("pruned", "forget", "--quiet", *ids)
        return len(ids)

    def retain(self) -> None:
        """Remove the backups that are older than what is to be kept.

        The last three stay whatever the day: one before a migration does not push out that of the night at once.
        """
        keep = [f"--keep-{word}={number}" for word, number in self._keep.items()]
        self._do("pruned", "forget", "--quiet", f"--tag={VERIFIED}", "--group-by=", "--keep-last=3", *keep, "--prune")

    def check(self) -> None:
        """Check the repository's structure and read its data, or the share that BACKUP_CHECK_SUBSET names.

        Raises BackupError where anything is damaged.
        """
        status, output, errors = self._run("check", f"--read-data-subset={self._subset}")
        if status != 0:
            if full := disk_full(errors):
                raise full
            raise BackupError(
                "E070",
                f"The repository {self.address} is damaged: {last_words(errors or output)}",
                "No backup counts as good until it is repaired; nothing was removed from it. Set up another "
                "repository at once (BACKUP_REPOSITORY), then see restic's guide to repairing.",
            )

    @contextmanager
    def reading(self, snapshot: str, path: Path) -> Iterator[Program]:
        """Run `restic dump`: a file's content, or a folder's as a tar archive, comes as the program's output."""
        command = ["restic", "dump", "--no-lock", snapshot, str(path)]
        with running(command, self._environment, stdout=subprocess.PIPE) as program:
            yield program

    def finish_reading(self, program: Program, what: str) -> None:
        """Wait for `restic dump`. Raises BackupError where it did not read everything: something is damaged."""
        if program.finish() != 0:
            raise BackupError(
                "E075",
                f"{what} cannot be read from the repository: {last_words(program.errors)}",
                "Nothing was changed. Choose another backup: make backups lists them.",
            )

    def _run(self, *arguments: str) -> tuple[int, str, str]:
        return run(["restic", *arguments], self._environment)

    def _do(self, done: str, *arguments: str) -> str:
        """Run restic; return what it prints. Raises BackupError, with its words, where it fails."""
        status, output, errors = self._run(*arguments)
        if status != 0:
            raise self._failure(done, errors)
        return output

    def _failure(self, done: str, errors: str) -> BackupError:
        if full := disk_full(errors):
            return full
        if "wrong password" in errors:
            return BackupError(
                "E067",
                f"The password does not fit the repository {self.address}.",
                "Put the password that it was made with into secrets/backup_password; there is no other way in.",
            )
        return BackupError(
            "E066",
            f"The repository {self.address} cannot be {done}: {last_words(errors)}",
            "Check BACKUP_REPOSITORY, its credentials, and that it can be reached from the container.",
        )


def _snapshot(found: dict[str, Any]) -> Snapshot:
    tags: Sequence[str] = found.get("tags") or []
    values = dict(tag.split("=", 1) for tag in tags if "=" in tag)
    # restic writes nanoseconds, which Python does not read.
    at = datetime.fromisoformat(found["time"][:19] + "+00:00")
    return Snapshot(
        id=found["short_id"],
        original=found.get("original") or "",
        at=at,
        verified=VERIFIED in tags,
        empty=EMPTY in tags,
        bytes=int(values["bytes"]) if "bytes" in values else None,
        files=int(values["files"]) if "files" in values else None,
    )
