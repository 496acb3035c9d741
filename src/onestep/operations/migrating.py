"""A run of `onestep migrate`: locked, repeated where that may help, and taken back where it fails.

Django's own command does the work, once per attempt: what one attempt has applied is recorded, and the next goes on
from there. It reports each migration before and after, and that is where a run looks after it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import django.db
import psycopg2
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.migrations.exceptions import MigrationSchemaMissing
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from psycopg2.errorcodes import DEPENDENT_OBJECTS_STILL_EXIST, FEATURE_NOT_SUPPORTED

from onestep.documents import InstalledView, drop_views, install_views, installed_views, restore_views
from onestep.operations.backoff import backoff
from onestep.operations.budget import check_at_start
from onestep.operations.database import CONNECTION_LOST, OTHER, DatabaseFault, explain
from onestep.operations.migration_guard import require_recent_backup
from onestep.operations.migration_lock import LockLostError, MigrationLock
from onestep.operations.migration_reversal import (
    Applied,
    describe_partial,
    invalid_indexes,
    split_reversible,
    unapply,
)

logger = logging.getLogger(__name__)

Key = tuple[str, str]

DATABASE_ERRORS = (django.db.Error, psycopg2.Error)

# What PostgreSQL answers where a view reads the column or table that is to be changed.
VIEW_IN_THE_WAY = {FEATURE_NOT_SUPPORTED, DEPENDENT_OBJECTS_STILL_EXIST}


class MigrationRun:
    """One run on the database `using`: `migrate` is one attempt of Django's command, which reports to `progress`."""

    def __init__(
        self,
        using: str,
        *,
        migrate: Callable[[], object],
        say: Callable[..., None],
        fake: bool = False,
        fake_initial: bool = False,
    ) -> None:
        self._using = using
        self._migrate = migrate
        self._say = say
        self._fake = fake
        self._fake_initial = fake_initial
        self._lock = MigrationLock(using, say=say, wait=settings.MIGRATE_WAIT_TIMEOUT)
        self._transaction = ExitStack()  # that of the current migration
        self._current: Migration | None = None
        self._step = ""  # what is being done, in words
        self._started = 0.0
        self._before: set[Key] | None = None  # what was applied when the run began
        self._views: dict[str, InstalledView] = {}  # those of that time
        self._applied: dict[Key, Applied] = {}  # what the run has begun to apply, in order
        self._unapplied: list[Migration] = []
        self._without_views: set[Key] = set()

    def perform(self) -> None:
        """Migrate and install the documents' views.

        Raises CommandError, in words and with an error id, where that fails for good.
        """
        try:
            self._repeat()
        finally:
            self._leave()

    def progress(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:  # noqa: FBT001, FBT002  (Django's signature)
        """Follow what Django's MigrationExecutor reports.

        An atomic migration's transaction begins here, around Django's own, and so has the migration's record in it: a
        connection that is lost between the two cannot leave an applied migration unrecorded.
        """
        if migration is None:  # models are rendered
            return
        if action.endswith("_start"):
            self._begin(migration, forwards=action == "apply_start", fake=fake)
        else:
            self._end(migration, forwards=action == "apply_success", fake=fake)

    def _begin(self, migration: Migration, *, forwards: bool, fake: bool) -> None:
        self._lock.verify()
        self._current = migration
        self._step = f"Migration {migration}"
        self._started = time.monotonic()
        self._say(f"  {'Applying' if forwards else 'Unapplying'} {migration}...", ending="")
        if forwards:
            # One that --fake-initial may have faked counts as faked until its end is seen: its table may be older.
            self._applied[_key(migration)] = Applied(migration, faked=fake or self._fake_initial, ended=False)
        if migration.atomic:
            self._transaction.enter_context(transaction.atomic(using=self._using))
            if _key(migration) in self._without_views:
                drop_views(installed_views(self._using), self._using)

    def _end(self, migration: Migration, *, forwards: bool, fake: bool) -> None:
        self._transaction.close()  # commits
        if forwards:
            self._applied[_key(migration)] = Applied(migration, faked=fake, ended=True)
        else:
            self._unapplied.append(migration)
        self._current = None
        self._step = "What follows the migrations"
        self._say(f" {'faked' if fake else 'OK'} ({time.monotonic() - self._started:.2f} s)")

    def _repeat(self) -> None:
        """Make attempts until one succeeds or repeating cannot help."""
        attempt = 1
        while True:
            try:
                self._attempt()
            except Exception as error:
                if isinstance(error, CommandError) and not (self._applied or self._unapplied):
                    raise  # a wrong argument, or the lock: in words already, and nothing to take back
                if self._current:
                    self._say(f" failed ({time.monotonic() - self._started:.2f} s)")
                if self._is_blocked_by_views(error):
                    continue
                fault = _transient_fault(error)
                atomic = not self._current or self._current.atomic
                if not fault or not atomic or attempt >= settings.MIGRATE_ATTEMPTS:
                    if not isinstance(error, DATABASE_ERRORS) or self._before is not None:
                        logger.exception("migrate failed")  # what a connection fails of needs no traceback
                    raise self._failure(error) from error
                attempt += 1
                self._pause(fault, attempt)
            else:
                return

    def _attempt(self) -> None:
        """Do what is left, under the lock."""
        self._current = None
        self._step = "`onestep migrate`"
        self._prepare()
        if self._before is None:
            check_at_start(connections[self._using], serving=False)
            require_recent_backup(self._using)
            self._before = set(MigrationLoader(connections[self._using]).applied_migrations)
            self._views = installed_views(self._using)
        with ExitStack() as self._transaction:
            self._migrate()
        self._install_documents()

    def _prepare(self) -> None:
        """Take the lock where it is not held, and set up the connection."""
        self._lock.acquire()
        with connections[self._using].cursor() as cursor:
            # A migration may take its time, and only waits for a lock for so long: everyone else waits behind it.
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
            cursor.execute("SET lock_timeout = %s", [f"{settings.MIGRATE_LOCK_TIMEOUT}s"])

    def _install_documents(self) -> None:
        """Install the views where every migration is applied: their SQL reads the tables as the code knows them."""
        executor = MigrationExecutor(connections[self._using])
        if self._fake or executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self._say("Documents: left alone, since they need every migration applied.")
            return
        self._step = "Installing the documents' views"
        started = time.monotonic()
        changed = install_views(self._using, previous=self._views)
        self._say(f"Documents: {', '.join(changed) or 'none'} changed ({time.monotonic() - started:.2f} s).")

    def _is_blocked_by_views(self, error: Exception) -> bool:
        """Say whether the current migration may succeed without the documents' views, and have it tried so.

        Without, since they are replaced at the end of the run anyway. They are dropped in the migration's transaction.
        """
        migration = self._current
        if getattr(error.__cause__, "pgcode", None) not in VIEW_IN_THE_WAY or not migration or not migration.atomic:
            return False
        if _key(migration) in self._without_views or not installed_views(self._using):
            return False
        self._without_views.add(_key(migration))
        self._say("  A document's view is in the way: again without the views, which are made anew at the end.")
        return True

    def _pause(self, fault: DatabaseFault, attempt: int) -> None:
        seconds = backoff(attempt - 1)
        connections[self._using].close()
        self._say(
            f"  onestep.{fault.id} {fault.message} ({fault.said}) "
            f"Attempt {attempt} of {settings.MIGRATE_ATTEMPTS} in {seconds:.1f} s."
        )
        time.sleep(seconds)

    def _failure(self, error: Exception) -> CommandError:
        """Take the run back, and return the words for all that."""
        if self._before is None:  # the database did not answer, or the migrations could not be read
            if isinstance(error, DATABASE_ERRORS):
                return CommandError(str(explain(error)))
            return CommandError(
                f"onestep.E115 The migrations cannot be read: {_words(error)}\n    Nothing was changed."
            )
        failed, step = self._current, self._step
        if self._unapplied or (failed and _key(failed) not in self._applied):
            done = ", ".join(map(str, self._unapplied)) or "none"
            _, notes = self._take_back(failed, keep=True)
            notes.append(
                f"Unapplied before it: {done}. They stay so: applying them again would not bring their data back. The "
                "backup made before this run does."
            )
            return CommandError(
                "\n    ".join([f"onestep.E114 {step} failed while unapplying: {_words(error)}", *notes])
            )
        partial = failed if failed and not failed.atomic else None
        left, notes = self._take_back(failed, keep=bool(partial))
        as_before = not (partial or left or notes)
        if partial:
            notes = describe_partial(partial, error) + notes
        if self._unapplied:
            notes.append(f"Unapplied again: {', '.join(map(str, self._unapplied))}.")
        notes += [f"Still applied: {name} ({why})." for name, why in left.items()]
        if as_before:
            notes.append("The database is as it was before this run. Mend the cause and run `onestep migrate` again.")
        else:
            notes.append(
                "Restore the backup made before this run to have the database as it was; or mend the cause and run "
                "`onestep migrate` again, which goes on from here."
            )
        error_id = "E112" if as_before else "E113"
        return CommandError("\n    ".join([f"onestep.{error_id} {step} failed: {_words(error)}", *notes]))

    def _take_back(self, failed: Migration | None, *, keep: bool) -> tuple[dict[str, str], list[str]]:
        """Unapply what the run has applied as far as that goes (nothing with `keep`), and put back the views.

        Return which migrations are still applied, the latest first and each with the reason, and notes on the rest.
        """
        candidates = [one for key, one in self._applied.items() if key not in (self._before or ())]
        attempt = 1
        while True:
            # Where the database does not answer, this is what is known.
            ours = [one for one in candidates if one.ended and one.migration not in self._unapplied]
            self._step = "The database"
            try:
                self._prepare()
                recorded = MigrationLoader(connections[self._using]).applied_migrations
                ours = [one for one in candidates if _key(one.migration) in recorded]
                if keep:
                    left = {str(one.migration): f"what {failed} left behind may need it" for one in reversed(ours)}
                    return left, self._put_back_views() + invalid_indexes(self._using)
                back, left = split_reversible(ours)
                with ExitStack() as self._transaction:
                    unapply(back, self._using, self.progress)
                self._step = "The documents' views"
                return left, self._put_back_views()
            except Exception as error:
                fault = _transient_fault(error)
                if fault and attempt < settings.MIGRATE_ATTEMPTS:
                    attempt += 1
                    self._pause(fault, attempt)
                    continue
                logger.exception("taking back a failed run of migrations failed")
                names = [str(one.migration) for one in reversed(ours) if one.migration not in self._unapplied]
                notes = [f"Taking the run back failed. {self._step}: {_words(error)}"]
                return dict.fromkeys(names, "it could not be unapplied"), notes

    def _put_back_views(self) -> list[str]:
        """Put back the views that the run began with; return a note where their tables are not there any more."""
        try:
            restore_views(self._views, self._using)
        except django.db.DatabaseError as error:
            if _transient_fault(error):
                raise
            return [f"The documents' views cannot be put back: {_words(error)}."]
        return []

    def _leave(self) -> None:
        """Give the connection back as it was, and the lock."""
        connection = connections[self._using]
        try:
            if connection.connection:
                with connection.cursor() as cursor:
                    for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
                        cursor.execute(f"RESET {name}")
        except django.db.Error:
            connection.close()
        self._lock.release()


def _key(migration: Migration) -> Key:
    return (migration.app_label, migration.name)


def _transient_fault(error: BaseException) -> DatabaseFault | None:
    """Return what ails the database where the same may succeed later, unchanged; None for every other error."""
    if isinstance(error, MigrationSchemaMissing) and error.__context__:
        error = error.__context__  # Django's words for any failure to make the table of migrations
    if isinstance(error, LockLostError):
        return replace(CONNECTION_LOST, said=str(error))
    if not isinstance(error, DATABASE_ERRORS):
        return None
    fault = explain(error)
    return fault if fault.transient else None


def _words(error: BaseException) -> str:
    """Return an error on one line; what is known of the database's is explained."""
    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, DATABASE_ERRORS):
        fault = explain(error)
        if fault.id != OTHER.id:
            return f"onestep.{fault.id} {fault.message} ({fault.said})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
