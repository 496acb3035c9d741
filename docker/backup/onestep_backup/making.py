"""One backup: dump and files of one moment, stored, the repository checked, and restored before it counts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from onestep_backup import media
from onestep_backup.configuration import WORK, Configuration
from onestep_backup.manifest import Manifest, read_files, read_manifest, sequences_behind
from onestep_backup.postgres import Server, Session
from onestep_backup.problems import BackupError, disk_full
from onestep_backup.reporting import Report
from onestep_backup.restic import Repository, Snapshot
from onestep_backup.status import note_failure, note_good

SCRATCH = "onestep_verify"
STAGED = WORK / "snapshot"
DUMP = STAGED / "database.dump"
MANIFEST = STAGED / "manifest.json"
PINNING_ATTEMPTS = 5
Result = TypeVar("Result")


class BackupRun:
    """A run. Whoever performs it holds the lock."""

    def __init__(self, configuration: Configuration, report: Report) -> None:
        self._configuration = configuration
        self._report = report
        self._repository = Repository(configuration)
        self._server = Server(configuration.database_environment)
        self._lost: list[str] = []

    def perform(self) -> None:
        """Make a backup, and note in the status what came of it. Raises BackupError where it is not good."""
        began = time.monotonic()
        try:
            snapshot, at = self._perform()
        except Exception as error:
            known = error if isinstance(error, BackupError) else _unexpected(error)
            note_failure(self._configuration, known, seconds=time.monotonic() - began)
            if known is error:
                raise
            raise known from error
        seconds = time.monotonic() - began
        detail = f"{len(self._lost)} attachments have no file" if self._lost else ""
        note_good(self._configuration, snapshot, at=at, seconds=seconds, detail=detail)
        self._report.info(
            f"Backup {snapshot.id} is good: {snapshot.bytes or 0:,} bytes, {snapshot.files} files, {seconds:.1f} s.",
            snapshot=snapshot.id,
            bytes=snapshot.bytes,
            seconds=round(seconds, 1),
        )

    def _perform(self) -> tuple[Snapshot, datetime]:
        self._clear()
        if not self._repository.is_there():
            self._repository.make()
            self._report.info(f"Made the repository {self._repository.address}.")
        self._repository.unlock()
        if left := self._repository.forget_unverified():
            self._report.info(f"Forgot {left} that an earlier run did not finish.")
        try:
            at, manifest = self._stage()
            if not manifest.has_data:
                self._refuse_emptiness()
            stored = self._timed("Stored", lambda: self._repository.back_up(STAGED, media.PINNED))
            self._timed("Checked the repository", self._repository.check)
            self._timed("Restored and compared", lambda: self._verify(stored, manifest))
            size = DUMP.stat().st_size + sum(size for _, size in manifest.files.values())
            good = self._repository.mark_verified(
                stored, size=size, files=len(manifest.files), empty=not manifest.has_data
            )
            self._timed("Removed what is older than is kept", self._repository.retain)
        finally:
            with suppress(BackupError):  # where the database is gone; the next run removes it
                self._clear()
        return good, at

    def _stage(self) -> tuple[datetime, Manifest]:
        """Write the dump and the manifest, and pin the media files: all of one moment.

        A transaction sees the database as of its first query, and exports that to pg_dump. The files that it names are
        pinned at once: what the service deletes from then on is in the backup all the same. One that was deleted within
        that blink is missing from the links, and then it begins anew.
        """
        STAGED.mkdir(mode=0o700)
        for attempt in range(1, PINNING_ATTEMPTS + 1):
            with self._server.session(self._configuration.database) as session:
                at = datetime.now(UTC)
                exported = session.value(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT to_json(pg_export_snapshot())"
                )
                media.PINNED.mkdir(mode=media.FOLDER_MODE)
                files = read_files(session)
                self._lost = media.pin(files, media.PINNED)
                if self._lost and attempt < PINNING_ATTEMPTS and self._deleted_since(self._lost):
                    media.unpin(media.PINNED)
                    continue
                self._lost += media.drop_changed(files, media.PINNED)
                manifest = self._timed("Dumped the database", lambda: self._dump(session, exported))  # noqa: B023
            if self._lost:
                self._report.error(_without_file(self._lost))
            content = {"version": 1, "at": at.isoformat(), "dump": _hash(DUMP), **manifest.as_json()}
            MANIFEST.write_text(json.dumps(content), encoding="utf-8")
            return at, manifest
        raise AssertionError("unreachable")

    def _refuse_emptiness(self) -> None:
        """Raise BackupError where the repository has backups with data: an emptied database must not be the latest."""
        if any(one.verified and not one.empty for one in self._repository.snapshots()):
            raise BackupError(
                "E080",
                "The database has no data, and the repository has backups that do.",
                "make restore SNAPSHOT=latest brings them back. To begin anew, set BACKUP_REPOSITORY to another place.",
            )

    def _dump(self, session: Session, exported: str) -> Manifest:
        """Dump what the session sees; return what that is, the files that are lost left out."""
        self._server.dump(self._configuration.database, exported, str(DUMP))
        return read_manifest(session).without_files(self._lost)

    def _deleted_since(self, names: list[str]) -> bool:
        """Return whether the database has forgotten one of the files by now."""
        with self._server.session(self._configuration.database) as session:
            return not read_files(session).keys() >= set(names)

    def _verify(self, snapshot: str, manifest: Manifest) -> None:
        """Restore the backup from the repository into a scratch database, and compare it with what was dumped."""
        self._server.drop(SCRATCH)
        self._server.create(SCRATCH)
        try:
            restore_dump(self._repository, snapshot, self._server, SCRATCH)
            with self._server.session(SCRATCH) as session:
                restored = read_manifest(session)
                behind = sequences_behind(session)
        finally:
            with suppress(BackupError):
                self._server.drop(SCRATCH)
        differences = manifest.differences(restored.without_files(self._lost))
        differences += [f"{sequence} would repeat a value" for sequence in behind]
        if media.hashes_in(self._repository, snapshot) != manifest.files:
            differences.append("the stored media files are not those that the database names")
        if differences:
            raise BackupError(
                "E069",
                f"The backup, restored, is not what was dumped: {'; '.join(differences)[:400]}.",
                "It does not count, and the next run removes it. Make another; if it fails again, check the "
                "machine's memory and disks.",
            )

    def _clear(self) -> None:
        """Remove what a run works with; a killed one left it."""
        self._server.drop(SCRATCH)
        media.unpin(media.PINNED)
        if STAGED.exists():
            shutil.rmtree(STAGED)

    def _timed(self, done: str, act: Callable[[], Result]) -> Result:
        began = time.monotonic()
        result = act()
        self._report.info(f"{done} in {time.monotonic() - began:.1f} s.", seconds=round(time.monotonic() - began, 2))
        return result


def restore_dump(repository: Repository, snapshot: str, server: Server, database: str) -> None:
    """Restore a backup's dump into an empty database, as it comes from the repository."""
    with repository.reading(snapshot, DUMP) as program:
        server.restore(database, program.chunks())
        for _ in program.chunks():  # what pg_restore did not need to read
            pass
        repository.finish_reading(program, "The dump")


def _hash(file: Path) -> dict[str, str | int]:
    with file.open("rb") as opened:
        digest, size = media.hash_of(opened)
    return {"sha256": digest, "bytes": size}


def _without_file(names: list[str]) -> BackupError:
    shown = ", ".join(sorted(names)[:5])
    return BackupError(
        "E073",
        f"{len(names)} attachments have no file on the media volume, or another content than was uploaded: {shown}",
        "The backup holds everything else. Bring the files back from an earlier backup (make restore), or delete "
        "these attachments.",
    )


def _unexpected(error: Exception) -> BackupError:
    if isinstance(error, OSError) and (full := disk_full(str(error))):
        return full
    return BackupError(
        "E078", f"The run ended unexpectedly: {type(error).__name__}: {error}", "Run it again, and report this."
    )
