"""`onestep migrate` from several processes, and the lock that orders them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from django.core.management.base import CommandError
from django.db import connections

from onestep.operations.migration_lock import LOCK
from tests.unit.operations.scratch import ALIAS, Reacting, Scratch, url_of

# Who has asked for the lock, was refused, and has looked who holds it.
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
AND application_name LIKE 'onestep migrate on %' AND query LIKE '%pg_locks%'
"""


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.05)


@contextmanager
def lock_held(scratch: Scratch) -> Iterator[Any]:
    """Hold the lock as another runner does, until the connection that is given out is closed."""
    other = psycopg2.connect(scratch.url, application_name="somebody else")
    other.autocommit = True
    other.cursor().execute("SELECT pg_advisory_lock(%s, %s)", LOCK)
    try:
        yield other
    finally:
        other.close()


@pytest.mark.parametrize("runners", [2, 4])
def test_migrate_started_several_times_at_once(scratch: Scratch, runners: int) -> None:
    """On an empty database exactly one applies the project's migrations, and all end well."""
    with lock_held(scratch) as other:
        processes = [scratch.start("migrate") for _ in range(runners)]
        wait_until(lambda: scratch.rows(WAITING) == [runners])
        other.close()
        ends = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in ends] == [0] * runners, ends
    outputs = [output for (output, _), _ in ends]
    assert sum("Applying people.0001_initial... OK" in output for output in outputs) == 1
    assert sum("No migrations to apply." in output for output in outputs) == runners - 1
    assert all("Another `onestep migrate` is at work, waiting for it: pid" in output for output in outputs)
    assert scratch.rows("SELECT app, name FROM django_migrations GROUP BY 1, 2 HAVING count(*) > 1") == []
    assert scratch.rows("SELECT count(*) FROM person_document") == [0]


def test_migrate_waits_for_another_runner(scratch: Scratch) -> None:
    """It says for whom, and does what is left when it has the lock."""
    scratch.write_migrations(m1="operations = [migrations.RunSQL('CREATE TABLE a (id int)')]")
    with lock_held(scratch) as other:
        pid = other.info.backend_pid
        output = scratch.migrate(stdout=Reacting("waiting for it", other.close))
    first = output.splitlines()[0]
    assert first.startswith(f"Another `onestep migrate` is at work, waiting for it: pid {pid}, somebody else, ")
    assert first.endswith(" UTC.")
    assert scratch.applied() == ["m1"]


def test_migrate_does_not_wait_for_ever(scratch: Scratch, settings: Any) -> None:
    settings.MIGRATE_WAIT_TIMEOUT = 0
    with lock_held(scratch) as other:
        pid = other.info.backend_pid
        with pytest.raises(CommandError) as raised:
            scratch.migrate()
    lines = str(raised.value).splitlines()
    assert lines[0].startswith(
        f"onestep.E110 Another `onestep migrate` has not finished in 0 s (pid {pid}, somebody else, "
    )
    assert lines[1] == (
        "    Let it finish, or end it with SELECT pg_terminate_backend(pid), and run this again; "
        "MIGRATE_WAIT_TIMEOUT is how long to wait."
    )
    assert scratch.tables() == set()


def test_migrate_leaves_the_connection_as_it_was(scratch: Scratch) -> None:
    """Its timeouts and its lock are for the run alone."""
    scratch.write_migrations(
        m1="""
operations = [migrations.RunSQL(
    "CREATE TABLE seen AS SELECT current_setting('statement_timeout') AS a, current_setting('lock_timeout') AS b"
)]
"""
    )
    scratch.migrate()
    assert scratch.rows("SELECT * FROM seen") == [("0", "5s")]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
        assert cursor.fetchone() == ("10s", "5s")
    wait_until(lambda: scratch.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [0])


class Pooler:
    """Passes connections on as PgBouncer does: it announces a process id of its own to the client."""

    def __init__(self, host: str, port: str) -> None:
        self._host = host
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server

    @staticmethod
    def _ask(client: socket.socket, server: socket.socket) -> None:
        with server:
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _answer(server: socket.socket, client: socket.socket) -> None:
        with client, server.makefile("rb") as messages:
            while kind := messages.read(1):
                length = messages.read(4)
                body = messages.read(int.from_bytes(length, "big") - 4)
                client.sendall(kind + length + (b"\x7f\xff\xff\xff" + body[4:] if kind == b"K" else body))


def test_migrate_refuses_a_pooler(scratch: Scratch) -> None:
    server = connections[ALIAS].settings_dict
    pooler = Pooler(server["HOST"], server["PORT"])
    address = urlsplit(scratch.url)
    url = address._replace(
        netloc=f"{address.username}:{address.password or ''}@127.0.0.1:{pooler.port}",
        query="sslmode=disable&gssencmode=disable",
    ).geturl()
    process = scratch.start("migrate", "--skip-checks", DATABASE_URL=url)
    output, errors = process.communicate(timeout=60)
    pooler.close()
    assert (output, errors, process.returncode) == (
        "",
        "CommandError: onestep.E111 The database connection goes through a pooler, "
        "and a lock cannot be held through one.\n"
        "    Point DB_HOST and DB_PORT (DATABASE_URL) of this command at the PostgreSQL server itself.\n",
        1,
    )


def test_migrate_without_the_database(scratch: Scratch) -> None:
    """A wrong address is said in words, at once."""
    process = scratch.start("migrate", DATABASE_URL=url_of("nowhere"))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("CommandError: onestep.E023 The database server has no database of that name. (")
    assert "Traceback" not in errors
    assert "Attempt" not in output
