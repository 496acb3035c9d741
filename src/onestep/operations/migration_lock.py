"""The lock under which `onestep migrate` runs: one runner at a time in one database, the others wait.

It is an advisory lock of a session that does nothing else: it outlives the migrations' transactions and their lost
connections, and PostgreSQL lets go of it when the process ends, however it ends.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.management.base import CommandError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# The two numbers of pg_advisory_lock, which pg_locks shows as classid and objid: "ones" in ASCII, and 1 for migrations.
LOCK = (0x6F6E6573, 1)
POLL_SECONDS = 0.2

_HOLDERS = """
SELECT a.pid, a.application_name, host(a.client_addr), a.state_change
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class LockLostError(Exception):
    """The session that held the lock is gone, so another runner may have it by now."""


@dataclass(frozen=True)
class Holder:
    """The session that has the lock. What another role's session is called and does is hidden, and None here."""

    pid: int
    application_name: str | None
    address: str | None
    since: datetime | None

    def __str__(self) -> str:
        parts = [f"pid {self.pid}", self.application_name or "name unknown"]
        if self.address:
            parts.append(f"from {self.address}")
        if self.since:
            parts.append(f"since {self.since:%Y-%m-%d %H:%M:%S} UTC")
        return ", ".join(parts)


class MigrationLock:
    """The lock in the database of the connection `using`."""

    def __init__(self, using: str, *, say: Callable[[str], None], wait: float) -> None:
        """Prepare a lock that is waited for up to `wait` seconds, with a line to `say` for whom it waits."""
        self._using = using
        self._say = say
        self._wait = wait
        self._session: BaseDatabaseWrapper | None = None
        self._pid = 0

    def acquire(self) -> None:
        """Take the lock; return at once where it is already held.

        Raises CommandError where another runner keeps it for too long or a pooler stands between, and Django's database
        errors where the server cannot be reached.
        """
        if self._session and self._is_held():
            return
        self.release()
        self._session = session = self._new_session()
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._pid = cursor.fetchone()[0]
            refuse_pooler(announced=session.connection.info.backend_pid, actual=self._pid)
            cursor.execute("SET idle_session_timeout = 0")
        self._wait_for(session)

    def release(self) -> None:
        """Let go of the lock by ending its session."""
        if self._session:
            self._session.close()
            self._session = None

    def verify(self) -> None:
        """Raise LockLostError where the lock is not held any more.

        The migrating connection asks, so that pg_stat_activity shows since when the lock's own session has it.
        """
        if not self._is_held():
            raise LockLostError("the session that held the migration lock was ended")

    def _is_held(self) -> bool:
        return any(holder.pid == self._pid for holder in _holders(connections[self._using]))

    def _new_session(self) -> BaseDatabaseWrapper:
        session = connections[self._using].copy()
        session.settings_dict["OPTIONS"] = {
            **session.settings_dict["OPTIONS"],
            "application_name": f"onestep migrate on {socket.gethostname()}",
            # It is idle while a long migration runs, and what stands between may forget idle connections.
            "keepalives_idle": 30,
        }
        return session

    def _wait_for(self, session: BaseDatabaseWrapper) -> None:
        """Poll, since a blocking call could not be interrupted and would hide that the holder has changed."""
        deadline = time.monotonic() + self._wait
        shown: list[Holder] = []
        while True:
            with session.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK)
                if cursor.fetchone()[0]:
                    return
            holders = _holders(session)
            if time.monotonic() >= deadline:
                who = "; ".join(map(str, holders)) or "gone by now"
                raise CommandError(
                    f"onestep.E110 Another `onestep migrate` has not finished in {self._wait:g} s ({who}).\n"
                    "    Let it finish, or end it with SELECT pg_terminate_backend(pid), and run this again; "
                    "MIGRATE_WAIT_TIMEOUT is how long to wait."
                )
            if holders and [holder.pid for holder in holders] != [holder.pid for holder in shown]:
                shown = holders
                self._say(f"Another `onestep migrate` is at work, waiting for it: {'; '.join(map(str, holders))}.")
            time.sleep(POLL_SECONDS)


def refuse_pooler(*, announced: int, actual: int) -> None:
    """Raise CommandError where a pooler stands between this process and the server.

    PostgreSQL announces the backend's process id to a client that connects. A pooler such as PgBouncer announces a
    number of its own, in every pool mode. In transaction mode the lock would stay with a server connection that others
    use next.
    """
    if announced != actual:
        raise CommandError(
            "onestep.E111 The database connection goes through a pooler, and a lock cannot be held through one.\n"
            "    Point DB_HOST and DB_PORT (DATABASE_URL) of this command at the PostgreSQL server itself."
        )


def _holders(connection: BaseDatabaseWrapper) -> list[Holder]:
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, LOCK)
        return [Holder(*row) for row in cursor.fetchall()]
