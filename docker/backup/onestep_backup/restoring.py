"""Restores: a backup is read whole, restored beside the live database, and given its name in one transaction.

`prepare` touches nothing that is live: the new database has another name, and media files are only added. `swap`
renames both databases; `swap_back` undoes that. The former database stays, with its files, until `cleanup`. Whoever
restores gives it its name, and so can undo that very swap, and ask what came of it, however the swap ended.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from onestep_backup import media
from onestep_backup.configuration import Configuration
from onestep_backup.making import DUMP, MANIFEST, PINNING_ATTEMPTS, restore_dump
from onestep_backup.manifest import Manifest, has_data, read_files, read_manifest, sequences_behind
from onestep_backup.postgres import MAINTENANCE, Server
from onestep_backup.problems import BackupError
from onestep_backup.reporting import Report
from onestep_backup.restic import Repository, Snapshot

RESTORED = "onestep_restored"
FORMER = re.compile(r"onestep_former_\d{8}_\d{6}")
SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}")
RENAME_ATTEMPTS = 2  # PostgreSQL itself waits five seconds each time
SESSIONS = """
SELECT coalesce(json_agg(format('%s %s (pid %s)', usename, application_name, pid)), '[]')
FROM pg_stat_activity WHERE datname IN ({names})
"""


class Restoration:
    """The steps of a restore. Whoever performs one holds the lock."""

    def __init__(self, configuration: Configuration, report: Report) -> None:
        self._configuration = configuration
        self._live = configuration.database
        self._report = report
        self._repository = Repository(configuration)
        self._server = Server(configuration.database_environment)

    def prepare(self, name: str, *, confirmed: bool, table: bool = False) -> None:
        """Restore a backup, by its id or `latest`, beside the live database; with `table`, show what was compared.

        Raises BackupError where the live database has data and nobody confirmed, where the backup cannot be read
        whole, or where what was restored is not what was dumped. Nothing live has changed then.
        """
        if self._has_data() and not confirmed:
            raise BackupError(
                "E074",
                f"The database {self._live} has data, which a restore would replace.",
                "Nothing was changed. If that is meant: make restore SNAPSHOT=… CONFIRM=onestep",
            )
        snapshot = self._find(name)
        self._report.info(
            f"Restoring {snapshot.id} of {snapshot.at:%Y-%m-%d %H:%M} UTC, {snapshot.bytes or 0:,} bytes."
        )
        began = time.monotonic()
        manifest = self._read_whole(snapshot)
        self._report.info(f"Read and checked the backup in {time.monotonic() - began:.1f} s.")
        began = time.monotonic()
        self._server.drop(RESTORED)
        self._server.create(RESTORED)
        try:
            restore_dump(self._repository, snapshot.id, self._server, RESTORED)
            self._compare(RESTORED, manifest)
            if table:
                self._show(manifest)
            self._server.execute(RESTORED, "VACUUM (ANALYZE);")
            self._report.info(f"Restored and compared {manifest.rows:,} rows in {time.monotonic() - began:.1f} s.")
            began = time.monotonic()
            brought = self._bring_back(snapshot, manifest)
        except BaseException:
            self._server.drop(RESTORED)
            media.unpin(media.RESTORED)
            raise
        self._report.info(
            f"Of {len(manifest.files)} media files {brought} were missing and are there again, "
            f"in {time.monotonic() - began:.1f} s."
        )

    def swap(self, former: str) -> None:
        """Give the restored database the live one's name, and that one the name `former`, in one transaction.

        Raises BackupError where nothing is prepared, or somebody is connected to either.
        """
        _require_name(former)
        there = self._server.databases()
        if RESTORED not in there:
            raise BackupError("E077", "No restore is prepared.", "make restore SNAPSHOT=… does that first.")
        statements = [f"ALTER DATABASE {RESTORED} RENAME TO {self._live}"]
        if self._live in there:
            self._keep_files(media.FORMER / former)
            statements.insert(0, f"ALTER DATABASE {self._live} RENAME TO {former}")
        media.link_back(media.RESTORED)
        self._rename(statements)
        media.unpin(media.RESTORED)
        kept = f"the one before it {former}" if self._live in there else "there was none before it"
        self._report.info(f"The restored database is {self._live} now, and {kept}.")

    def swap_back(self, former: str) -> None:
        """Undo the swap that kept `former`: it is the live one again, and what was restored is put aside.

        Where that swap did not happen, or there was no live database to keep, there is nothing to undo.
        """
        _require_name(former)
        if former not in self._server.databases():
            media.unpin(media.FORMER / former)
            return
        media.link_back(media.FORMER / former)
        self._server.drop(RESTORED)
        statements = [f"ALTER DATABASE {former} RENAME TO {self._live}"]
        if self._live in self._server.databases():
            statements.insert(0, f"ALTER DATABASE {self._live} RENAME TO {RESTORED}")
        self._rename(statements)
        media.unpin(media.FORMER / former)
        self._report.info(f"{former} is {self._live} again; what was restored is kept as {RESTORED}.")

    def last_former(self) -> str:
        """Return the database that the last restore kept. Raises BackupError where there is none."""
        if formers := self._formers():
            return max(formers)
        raise BackupError("E077", "No former database is kept.", "make backups lists what can be restored.")

    def say_live(self, former: str) -> None:
        """Say which database is live, and which one is kept, after a restore with this `former` or its undoing."""
        there = self._server.databases()
        if self._live not in there:
            said = f"There is no database {self._live}."
        elif former in there:
            said = f"The database {self._live} is what was restored. The one before the restore is kept as {former}."
        elif RESTORED in there:
            said = f"The database {self._live} is the one before the restore. What was restored is kept as {RESTORED}."
        else:
            said = f"The database {self._live} is what was restored. There was none before it."
        self._report.info(said)

    def cleanup(self, *, keep_last: bool = False) -> None:
        """Remove the former databases and the files kept for them; with `keep_last` all but the latest."""
        formers = sorted(self._formers())
        for former in formers[:-1] if keep_last else formers:
            self._server.drop(former)
            self._report.info(f"Removed the former database {former}.")
        kept = set(formers[-1:]) if keep_last else set()
        if media.FORMER.exists():
            for folder in media.FORMER.iterdir():
                if folder.name not in kept:
                    media.unpin(folder)
        if not keep_last:
            self._server.drop(RESTORED)
            media.unpin(media.RESTORED)

    def _formers(self) -> set[str]:
        return {name for name in self._server.databases() if FORMER.fullmatch(name)}

    def _has_data(self) -> bool:
        if self._live not in self._server.databases():
            return False
        try:
            with self._server.session(self._live) as session:
                return has_data(session)
        except BackupError:  # it is damaged, and there was something
            return True

    def _bring_back(self, snapshot: Snapshot, manifest: Manifest) -> int:
        """Bring the files of a backup back, and pin them: the service may delete some before the swap."""
        brought = 0
        media.unpin(media.RESTORED)
        for _ in range(PINNING_ATTEMPTS):
            brought += media.bring_back(self._repository, snapshot.id, manifest.files)
            if not media.pin(manifest.files, media.RESTORED):
                return brought
        raise BackupError("E068", "The media files are deleted as fast as they are brought back.", "Run it again.")

    def _keep_files(self, folder: Path) -> None:
        """Pin the live database's files: what its successor does not name is swept away otherwise."""
        try:
            with self._server.session(self._live) as session:
                files = read_files(session)
        except BackupError as error:  # it is damaged, which may be why it is replaced
            self._report.error(error)
        else:
            media.pin(files, folder)

    def _find(self, name: str) -> Snapshot:
        """Return the verified backup of that id, or the latest."""
        if not self._repository.is_there():
            raise _unknown(f"There is no repository at {self._repository.address}.")
        verified = [one for one in self._repository.snapshots() if one.verified]
        if name != "latest" and SNAPSHOT_ID.fullmatch(name):
            verified = [one for one in verified if name.startswith(one.id)]
        elif name != "latest":
            verified = []
        if not verified:
            raise _unknown(f"There is no verified backup {name!r} in the repository {self._repository.address}.")
        return verified[-1]

    def _read_whole(self, snapshot: Snapshot) -> Manifest:
        """Read all of a backup from the repository, before anything is touched; return what it holds.

        Each piece carries a code that restic verifies; and dump and files have to have the hashes of the manifest.
        """
        with self._repository.reading(snapshot.id, MANIFEST) as program:
            content = b"".join(program.chunks())
            self._repository.finish_reading(program, "The manifest")
        try:
            read = json.loads(content)
            manifest = Manifest.parse(read)
            dump = (str(read["dump"]["sha256"]), int(read["dump"]["bytes"]))
        except (ValueError, KeyError, TypeError):
            raise _altered("its manifest is not of its form") from None
        with self._repository.reading(snapshot.id, DUMP) as program:
            if media.hash_of(program.output) != dump:
                self._repository.finish_reading(program, "The dump")
                raise _altered("its dump is not the one that was verified")
            self._repository.finish_reading(program, "The dump")
        if media.hashes_in(self._repository, snapshot.id) != manifest.files:
            raise _altered("its media files are not those that were verified")
        return manifest

    def _compare(self, database: str, manifest: Manifest) -> None:
        with self._server.session(database) as session:
            found = read_manifest(session)
            behind = sequences_behind(session)
        lost = found.files.keys() - manifest.files.keys()  # without a file when the backup was made already
        differences = manifest.differences(found.without_files(lost))
        differences += [f"{sequence} would repeat a value" for sequence in behind]
        if differences:
            raise _altered(f"restored, it differs: {'; '.join(differences)[:400]}")

    def _show(self, manifest: Manifest) -> None:
        for name, (count, digest) in manifest.tables.items():
            self._report.info(f"  {name:48}{count:>10,} rows  checksum {int(digest) % 2**64:016x}  equal")
        self._report.info(f"  {'media files, by their SHA-256':48}{len(manifest.files):>10,} files{'equal':>33}")

    def _rename(self, statements: list[str]) -> None:
        """Rename databases in one transaction, as soon as nobody is connected to them.

        Raises BackupError where somebody stays connected for ten seconds.
        """
        transaction = f"BEGIN; {'; '.join(statements)}; COMMIT;"
        for attempt in range(1, RENAME_ATTEMPTS + 1):
            try:
                self._server.execute(MAINTENANCE, transaction)
            except BackupError as error:
                if "being accessed by other users" not in error.what:
                    raise
                if attempt == RENAME_ATTEMPTS:
                    raise BackupError(
                        "E076",
                        f"Somebody is connected to the database: {self._connected()}.",
                        "End that session, and run it again. Nothing was renamed.",
                    ) from None
            else:
                return

    def _connected(self) -> str:
        sessions = self._server.query(MAINTENANCE, SESSIONS.format(names=f"'{self._live}', '{RESTORED}'"))
        return ", ".join(sessions) or "gone by now"


def _require_name(former: str) -> None:
    if not FORMER.fullmatch(former):
        raise BackupError(
            "E077",
            f"--former: {former!r} is no name of a former database.",
            "One is onestep_former_20260131_235959.",
        )


def _altered(what: str) -> BackupError:
    return BackupError(
        "E075",
        f"The backup cannot be used: {what}.",
        "Nothing live was changed. Choose another backup: make backups lists them.",
    )


def _unknown(what: str) -> BackupError:
    return BackupError("E075", what, "Nothing was changed. make backups lists the backups that can be restored.")
