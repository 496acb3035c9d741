"""`onestep wait_for_database`, and what a failure of the database means."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg2
import pytest
from django.db import DatabaseError, connection, transaction

from onestep.operations.database import explain
from tests.unit.operations.commands import address, run_onestep

WAIT = {"DEBUG": "1", "DB_CONNECT_TIMEOUT": "1"}


@contextmanager
def free_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 on which nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # not listening, so a connection is refused, and nobody else gets the port
        yield taken.getsockname()[1]


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """Yield the port of a server that answers whatever it is sent with `answer`; with None, not at all."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        clients: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                clients.append(client)
                if answer is not None and client.recv(1000):
                    client.sendall(answer)
                    client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for client in clients:
            client.close()


def refusal(sqlstate: str, message: str) -> bytes:
    """Return PostgreSQL's ErrorResponse to a start-up message."""
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def wait(variables: Mapping[str, str], *, timeout: float) -> tuple[int, str, str]:
    """Return the command's exit status, standard output, and standard error."""
    result = run_onestep("wait_for_database", f"--timeout={timeout}", variables={**WAIT, **variables})
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Variables of a login on the tests' server, which asks it for its password whatever else it trusts."""
    admin = psycopg2.connect(os.environ["DATABASE_URL"])
    admin.autocommit = True
    rules = "local all onestep_wait scram-sha-256\nhost all onestep_wait all scram-sha-256\n"
    with admin.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS onestep_wait")
        cursor.execute("CREATE ROLE onestep_wait LOGIN PASSWORD 'right'")
        cursor.execute("SELECT current_setting('hba_file'), pg_read_file(current_setting('hba_file'))")
        file, before = cursor.fetchone()

        def write_rules(text: str) -> None:
            cursor.execute("COPY (SELECT unnest(%s)) TO '" + file + "'", [text.splitlines()])
            cursor.execute("SELECT pg_reload_conf()")

        write_rules(rules + before)
        yield address(POSTGRES_USER="onestep_wait", POSTGRES_PASSWORD="right")
        write_rules(before)
        cursor.execute("DROP ROLE onestep_wait")
    admin.close()


def test_wait_for_database_there(server: dict[str, str]) -> None:
    status, out, err = wait(server, timeout=10)
    assert (status, err) == (0, "")
    assert out.startswith("The database accepts connections (after ")


@pytest.mark.parametrize(
    ("changes", "error_id", "words"),
    [
        ({"POSTGRES_PASSWORD": "wrong"}, "E022", "refuses the user's name or password"),
        ({"POSTGRES_USER": "onestep_wait", "POSTGRES_PASSWORD": ""}, "E022", "refuses the user's name or password"),
        ({"POSTGRES_DB": "no_such_database"}, "E023", "has no database of that name"),
    ],
)
def test_wait_for_database_in_vain(server: dict[str, str], changes: dict[str, str], error_id: str, words: str) -> None:
    """What waiting does not mend ends the command at once, with 78, what is wrong and what to do."""
    status, out, err = wait(server | changes, timeout=60)
    assert (status, out) == (78, "")
    first, hint = err.splitlines()
    assert first.startswith(f"CommandError: onestep.{error_id} ")
    assert words in first
    assert hint.startswith("    Correct ")
    assert "Waiting" not in err


def test_wait_for_database_too_many_connections(server: dict[str, str]) -> None:
    admin = psycopg2.connect(os.environ["DATABASE_URL"])
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("ALTER ROLE onestep_wait CONNECTION LIMIT 0")
        status, _, err = wait(server, timeout=1)
        cursor.execute("ALTER ROLE onestep_wait CONNECTION LIMIT -1")
    admin.close()
    assert status == 75
    assert "onestep.E026 " in err


def test_wait_for_database_refused() -> None:
    """Nothing listens yet: it is said once, and waited for until the time is over."""
    with free_port() as port:
        status, out, err = wait({"DB_HOST": "127.0.0.1", "DB_PORT": str(port)}, timeout=2)
    assert (status, out) == (75, "")
    waiting, hint, given_up, hint_again, seconds = err.splitlines()
    assert waiting.startswith("Waiting for the database, at most 2 s: onestep.E020 ")
    assert given_up.startswith("CommandError: onestep.E020 ")
    assert hint == hint_again == "    Start the database, or correct DB_HOST and DB_PORT (DATABASE_URL)."
    assert seconds == "    Gave up after 2.0 s."


def test_wait_for_database_comes_up(server: dict[str, str]) -> None:
    """A database that comes up while it is waited for is found."""
    parts = address()
    if parts["DB_HOST"].startswith("/"):
        target = socket.socket(socket.AF_UNIX)
        target.connect(f"{parts['DB_HOST']}/.s.PGSQL.{parts['DB_PORT']}")
    else:
        target = socket.create_connection((parts["DB_HOST"], int(parts["DB_PORT"])))
    with free_port() as port:
        proxy = threading.Timer(1.5, forward_one, [port, target])
    proxy.start()
    status, out, err = wait({**parts, "DB_HOST": "127.0.0.1", "DB_PORT": str(port)}, timeout=20)
    proxy.join()
    assert status == 0, err
    assert "onestep.E020 " in err
    assert out.startswith("The database accepts connections (after ")


def forward_one(port: int, target: socket.socket) -> None:
    """Listen on the port, and connect the first who comes with `target`."""
    with closing(socket.create_server(("127.0.0.1", port))) as server, closing(server.accept()[0]) as client, target:
        back = threading.Thread(target=pump, args=(target, client))
        back.start()
        pump(client, target)
        back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, until an end closes."""
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def test_wait_for_database_unknown_host() -> None:
    status, _, err = wait({"DB_HOST": "no-such-host.invalid"}, timeout=1)
    assert status == 75
    assert "onestep.E025 The database's host name does not resolve." in err
    assert "In a container network a name resolves only while its container runs" in err


@pytest.mark.parametrize(
    ("answer", "variables", "status", "error_id"),
    [
        (None, {}, 75, "E028"),  # accepts the connection, and says nothing: paused
        (b"N", {"sslmode": "require"}, 78, "E027"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", {"sslmode": "prefer"}, 78, "E038"),
        (refusal("57P03", "the database system is starting up"), {"sslmode": "disable"}, 75, "E021"),
        (refusal("28000", 'role "ann" does not exist'), {"sslmode": "disable"}, 78, "E024"),
        (
            refusal("28000", 'no pg_hba.conf entry for host "10.0.0.7", user "ann", database "x", no encryption'),
            {"sslmode": "disable"},
            78,
            "E030",
        ),
        (refusal("53300", "sorry, too many clients already"), {"sslmode": "disable"}, 75, "E026"),
        (refusal("08P01", "no such database: service"), {"sslmode": "disable"}, 78, "E023"),  # PgBouncer's words
    ],
)
def test_wait_for_database_refusal(answer: bytes | None, variables: dict[str, str], status: int, error_id: str) -> None:
    """Each refusal that a server can give has an id of its own, and is waited for only where that may help."""
    with listener(answer) as port:
        query = "&".join(f"{name}={value}" for name, value in variables.items())
        url = f"postgresql://ann:secret-word@127.0.0.1:{port}/service?{query}"
        found, _, err = wait({"DATABASE_URL": url}, timeout=0.5)
    assert found == status
    assert f"CommandError: onestep.{error_id} " in err
    assert "secret-word" not in err


def test_wait_for_database_says_so_in_every_command(server: dict[str, str]) -> None:
    """Whatever command meets the failure: words and an id, no traceback."""
    result = run_onestep("createsuperuser", "--noinput", variables=server | WAIT | {"POSTGRES_PASSWORD": "wrong"})
    assert result.returncode == 78
    assert result.stderr.startswith("onestep.E022 ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "error_id", "transient"),
    [
        (psycopg2.OperationalError("SSL connection has been closed unexpectedly"), "E029", True),
        (psycopg2.OperationalError("something else"), "E039", False),
    ],
)
def test_explain_database_error(error: psycopg2.Error, error_id: str, transient: bool) -> None:
    fault = explain(error)
    assert (fault.id, fault.transient, fault.said) == (error_id, transient, str(error))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sqlstate", "error_id", "transient"),
    [
        ("08006", "E029", True),
        ("25006", "E036", False),
        ("40001", "E032", True),
        ("40P01", "E032", True),
        ("42501", "E034", False),
        ("53100", "E035", False),
        ("55P03", "E031", True),
        ("57014", "E033", False),
        ("57P01", "E029", True),
        ("57P03", "E021", True),
        ("22012", "E039", False),
    ],
)
def test_explain_database_code(sqlstate: str, error_id: str, transient: bool) -> None:
    """An error with a code is known by that, whatever its words."""
    statement = f"DO $$ BEGIN RAISE 'password authentication failed' USING ERRCODE = '{sqlstate}'; END $$"
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    fault = explain(caught.value)
    assert (fault.id, fault.transient) == (error_id, transient)
