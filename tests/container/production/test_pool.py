"""The database behind its pooler: who gets in and how, what a session may do, and what clients see of an outage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from docker.models.containers import Container

from tests.container.load import sampled
from tests.container.outage import Traffic, assert_in_time_and_in_form, probe
from tests.container.production.stack import ProductionStack
from tests.container.stack import wait_until

ANSWER_SECONDS = 6.0  # DB_CONNECT_TIMEOUT (3 s) for who finds the outage out, after the pooler's own 2 s at most
# From when the database accepts connections until the last 503: each worker asks by itself whether it is back, once a
# second, and one that has just asked in vain waits for that for 3 s at most.
RECOVERY_SECONDS = 5.0
IN_A_ROW = 200  # answers, in two seconds: every worker has asked meanwhile


def shell(container: Container, code: str) -> str:
    """Return what a piece of Python prints in the application's shell."""
    done = container.exec_run(["onestep", "shell", "--verbosity=0", "--command", code])
    assert done.exit_code == 0, done.output.decode()
    return str(done.output.decode().strip())


# --- Who gets in ------------------------------------------------------------------------------------------------------
def test_passwords_are_scram_everywhere(production: ProductionStack) -> None:
    """As they are stored, as the server asks for them on each of its doors, and as the pooler does."""
    assert set(production.sql("SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin").split()) == {
        "SCRAM-SHA-256$"
    }
    assert production.sql("SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "scram-sha-256"
    [pooler] = production.containers("pgbouncer")
    told = pooler.exec_run(["cat", "/run/pgbouncer/pgbouncer.ini"]).output.decode()
    assert "auth_type = scram-sha-256" in told


@pytest.mark.parametrize(
    "door",
    [
        ("db", "--host=/var/run/postgresql", "--port=5432"),
        ("db", "--host=127.0.0.1", "--port=5432"),
        ("pgbouncer", "--host=127.0.0.1", "--port=6432"),
    ],
    ids=["socket", "server", "pooler"],
)
def test_nobody_gets_in_without_the_password(production: ProductionStack, door: tuple[str, str, str]) -> None:
    service, *options = door
    for password in ("", "postgres", "onestep"):
        for user in ("onestep", "postgres"):
            done = production.containers(service)[0].exec_run(
                ["psql", *options, f"--username={user}", "--dbname=onestep", "--no-password", "--command=SELECT 1"],
                environment={"PGPASSWORD": password},
            )
            assert done.exit_code != 0, f"{user} got in by {door} with the password {password!r}"
            assert b"password" in done.output or b"SASL authentication failed" in done.output, done.output


def test_pages_have_checksums(production: ProductionStack) -> None:
    assert production.sql("SHOW data_checksums") == "on"


# --- What a session is ------------------------------------------------------------------------------------------------
def test_sessions_through_the_pooler_have_limits_utc_and_utf8(production: ProductionStack) -> None:
    names = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "TimeZone",
        "client_encoding",
        "application_name",
    ]
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    code = (
        "import json; from django.db import connection as c; u = c.cursor(); "
        f'u.execute("SELECT {asked}"); print(json.dumps(u.fetchone()))'
    )
    assert dict(zip(names, json.loads(shell(production.containers("web")[0], code)), strict=True)) == {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
        "application_name": "onestep",
    }


def test_connections_are_lent_for_a_transaction(production: ProductionStack) -> None:
    """Two clients that are connected at once get the same session of the server, one after the other."""
    code = (
        "from django.db import connection as c; u = c.cursor(); "
        "u.execute('SELECT pg_backend_pid()'); first = u.fetchone(); d = c.copy(); v = d.cursor(); "
        "v.execute('SELECT pg_backend_pid()'); print(first == v.fetchone())"
    )
    assert shell(production.containers("web")[0], code) == "True"


def test_rows_are_read_in_pieces_through_the_pooler(production: ProductionStack) -> None:
    """A cursor of the server's would be gone with its transaction; the rows come all the same."""
    code = (
        "from onestep.people.models import Person; from django.contrib.auth.models import Permission; "
        "print(sum(1 for _ in Permission.objects.iterator(chunk_size=5)) == Permission.objects.count() > 5)"
    )
    assert shell(production.containers("web")[0], code) == "True"


# --- While the database is away ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Fault:
    """Something that takes a container away, and what brings it back."""

    service: str
    begin: Callable[[Container], object]
    end: Callable[[Container], object]


FAULTS = {
    "database stopped": Fault("db", lambda one: one.stop(timeout=20), lambda one: one.start()),
    "database killed": Fault("db", lambda one: one.kill(), lambda one: one.start()),
    "database paused": Fault("db", lambda one: one.pause(), lambda one: one.unpause()),
    "pooler killed": Fault("pgbouncer", lambda one: one.kill(), lambda one: one.start()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_outage_is_answered_and_survived(production: ProductionStack, figures: dict[str, str], name: str) -> None:
    """Clients get the API's own 503 in time, from a service that is alive; it recovers, and nothing stored is lost."""
    fault = FAULTS[name]
    [away] = production.containers(fault.service)
    headers = production.obtain_headers()
    with Traffic(production.url, headers, prefix=name) as traffic:
        traffic.wait_for(50, 201, at_most=20)
        with sampled(lambda: probe(production.url, "/health/live"), pause=0.05) as alive:
            began = time.monotonic()
            fault.begin(away)
            traffic.wait_for(100, 503, at_most=40)
            fault.end(away)
            wait_until(lambda: database_answers(production), at_most=30)
            ended = time.monotonic()
            wait_until(lambda: {answer.status for answer in traffic.answers[-IN_A_ROW:]} == {200, 201}, at_most=30)
            assert probe(production.url, "/health/ready").status == 200

    refused = traffic.with_status(503)
    recovered = max(answer.at + answer.seconds for answer in refused) - ended
    slowest = max(answer.seconds for answer in traffic.answers if answer.at > began)
    figures[name] = f"{len(refused)} x 503, slowest answer {slowest:.1f} s, well {recovered:.1f} s after it"
    assert {answer.status for answer in alive} == {200}
    assert {answer.status for answer in traffic.answers} == {200, 201, 503}
    assert_in_time_and_in_form(refused)
    assert slowest < ANSWER_SECONDS
    assert recovered < RECOVERY_SECONDS

    rows = production.sql(f"SELECT id, name FROM people_person WHERE name LIKE '{name} %'").splitlines()
    stored = dict(row.split("|") for row in rows)
    assert traffic.acknowledged() - stored.keys() == set()
    assert len(set(stored.values())) == len(stored), "something was stored twice"
    for web in production.containers("web"):
        assert web.attrs["RestartCount"] == 0


def database_answers(production: ProductionStack) -> bool:
    """Return whether the database accepts connections."""
    ask = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"]
    return bool(production.containers("db")[0].exec_run(ask).exit_code == 0)
