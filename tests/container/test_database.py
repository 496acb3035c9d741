"""How the service uses its database, and what becomes of it while the database is away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.container.load import Request, sampled, send_load
from tests.container.outage import Traffic, assert_in_time_and_in_form, probe
from tests.container.processes import Process, server_processes, wait_until_no_more_is_held
from tests.container.service import Service, Web
from tests.container.stack import wait_until

LOGIN = ("boss", "correct horse battery staple")
WORKERS, THREADS = 2, 4
BUDGET = WORKERS * THREADS  # connections of one replica

# While the database is away. A request may be the one that finds that out, which takes DB_CONNECT_TIMEOUT (3 s), and
# wait for a thread before that.
LIVE_SECONDS = 5.0
ANSWER_SECONDS = 5.0
UNREADY_SECONDS = 8.0
RECOVERY_SECONDS = 8.0  # from when the database accepts connections


@pytest.fixture(scope="module")
def web(production: Service) -> Web:
    """One web container of the usual size, and somebody who may do everything."""
    production.create_user(*LOGIN)
    web = production.start_web(environment={"WEB_WORKERS": str(WORKERS), "WEB_THREADS": str(THREADS)})[0]
    web.wait_until_ready()
    return web


@pytest.fixture(scope="module", autouse=True)
def at_start(web: Web) -> dict[int, Process]:
    """The processes as they are when the service is ready, and before it has worked."""
    return server_processes(web.container)


@pytest.fixture
def headers(web: Web) -> dict[str, str]:
    """The headers of a request that may do everything."""
    return {"Authorization": f"Bearer {web.obtain_token(*LOGIN)}"}


def connections(service: Service) -> set[str]:
    """Return the server's sessions with the service, each by its process id and when it began."""
    ask = "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = 'onestep'"
    return set(service.sql(ask).splitlines())


# --- In quiet times ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def under_load(production: Service, web: Web, at_start: dict[int, Process], figures: dict[str, str]) -> list[set[str]]:
    """The connections that were open, time and again, while 32 clients sent 2,000 requests to one replica."""
    token = web.obtain_token(*LOGIN)
    requests = [Request("GET", "/api/v1/people/"), Request("GET", "/health/ready")] * 1000
    with sampled(lambda: connections(production)) as samples:
        load = send_load(web.url, requests, clients=32, headers={"Authorization": f"Bearer {token}"})
    assert load.statuses == {200: 2000}
    ever = set().union(*samples)
    figures["connections, 2,000 requests of 32 clients"] = (
        f"{len(ever)} in all, at most {max(map(len, samples))} at a time in {len(samples)} looks, budget {BUDGET}"
    )
    return samples


def test_connections_are_kept(under_load: list[set[str]]) -> None:
    """What the first requests opened serves the others: none is closed, and no more than one for a thread is opened."""
    assert under_load[-1] == set().union(*under_load)


def test_connections_stay_within_budget(under_load: list[set[str]]) -> None:
    """Never more than workers x threads; and the threads are used, or the number would say nothing."""
    assert max(map(len, under_load)) <= BUDGET
    assert len(under_load[-1]) > WORKERS


def test_sessions_have_time_limits_utc_and_utf8(web: Web) -> None:
    names = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "TimeZone",
        "client_encoding",
        "server_encoding",
    ]
    ask = (
        "import json\nfrom django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        f"    cursor.execute('SELECT ' + ', '.join(f\"current_setting('{{name}}')\" for name in {names}))\n"
        "    print(json.dumps(cursor.fetchone()))\n"
    )
    done = web.container.exec_run(["onestep", "shell", "--verbosity=0", "--command", ask])
    assert done.exit_code == 0, done.output.decode()
    assert dict(zip(names, json.loads(done.output), strict=True)) == {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
        "server_encoding": "UTF8",
    }


def test_answers_are_utc_and_utf8_whatever_the_server_prefers(production: Service, headers: dict[str, str]) -> None:
    """Times and texts of a document are written by the database, in the time zone and encoding of the session."""
    production.sql("ALTER ROLE onestep SET timezone = 'Asia/Tokyo'")
    production.sql("ALTER ROLE onestep SET client_encoding = 'LATIN1'")
    try:
        other = production.start_web()[0]
        other.wait_until_ready()
        with other.client() as client:
            name = "Zoë Ávila 周 🌍"
            created = client.post("/api/v1/people/", json={"name": name}, headers=headers)
            assert created.status_code == 201, created.text
            read = client.get(f"/api/v1/people/{created.json()['id']}/", headers=headers).json()
    finally:
        production.sql("ALTER ROLE onestep RESET ALL")
    assert read["name"] == name
    created_at = datetime.fromisoformat(read["created_at"])
    assert created_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=2)
    other.container.remove(force=True)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"DB_LOCK_TIMEOUT": "1"}, "canceling statement due to lock timeout"),
        ({"DB_LOCK_TIMEOUT": "60", "DB_STATEMENT_TIMEOUT": "1"}, "canceling statement due to statement timeout"),
    ],
    ids=["lock", "statement"],
)
def test_time_limit_ends_a_statement(
    production: Service, headers: dict[str, str], limits: dict[str, str], said: str
) -> None:
    """A request that waits for a table which somebody holds is answered in about a second, and the server says why."""
    limited = production.start_web(environment=limits)[0]
    limited.wait_until_ready()
    hold = "BEGIN; LOCK TABLE people_person; SELECT pg_sleep(60)"
    production.database.exec_run(["psql", "--username=onestep", "--command", hold], detach=True)
    holder = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND application_name = 'psql'"
    holding = f"{holder} AND wait_event = 'PgSleep'"
    try:
        wait_until(lambda: production.sql(holding) != "", at_most=10)
        before = production.database.logs().decode().count(said)
        [answer] = send_load(limited.url, [Request("GET", "/api/v1/people/")], headers=headers).answers
    finally:
        production.sql(f"SELECT pg_terminate_backend(pid) FROM ({holder}) AS holders")
        limited.container.remove(force=True)
    assert answer.status == 503, answer
    assert answer.json()["type"] == "urn:onestep:problem:unavailable"
    assert 0.9 < answer.seconds < 3
    assert production.database.logs().decode().count(said) == before + 1


# --- While the database is away ---------------------------------------------------------------------------------------
def cut_off(service: Service) -> None:
    """Take the database off its network."""
    service.database_network.disconnect(service.database)


def reconnect(service: Service) -> None:
    """Put it back, under its name."""
    service.database_network.connect(service.database, aliases=["db"])


@dataclass(frozen=True)
class Fault:
    """Something that takes the database away, and what brings it back."""

    begin: Callable[[Service], object]
    end: Callable[[Service], object]


FAULTS = {
    "stopped": Fault(lambda service: service.database.stop(timeout=20), lambda service: service.database.start()),
    "killed": Fault(lambda service: service.database.kill(), lambda service: service.database.start()),
    "paused": Fault(lambda service: service.database.pause(), lambda service: service.database.unpause()),
    "cut off": Fault(cut_off, reconnect),
}


@pytest.mark.parametrize("name", FAULTS)
def test_database_goes_away_and_comes_back(
    production: Service,
    web: Web,
    *,
    at_start: dict[int, Process],
    headers: dict[str, str],
    figures: dict[str, str],
    name: str,
) -> None:
    """Alive all the time, not ready, 503 within the bound, well again by itself, and nothing stored is lost."""
    fault, prefix = FAULTS[name], f"While {name}"
    with Traffic(web.url, headers, prefix=prefix) as traffic:
        traffic.wait_for(50, 201, at_most=20)
        with sampled(lambda: probe(web.url, "/health/live"), pause=0.05) as alive:
            began = time.monotonic()
            fault.begin(production)
            unready = wait_until(lambda: probe(web.url, "/health/ready").status == 503, at_most=UNREADY_SECONDS)
            traffic.wait_for(100, 503, at_most=30)
            fault.end(production)
            production.wait_for_database()
            ended = time.monotonic()
            web.wait_until_ready(RECOVERY_SECONDS)
            traffic.wait_for(1, 201, at_most=RECOVERY_SECONDS)
            recovered = time.monotonic() - ended
        traffic.wait_for(50, 201, at_most=20)

    refused = traffic.with_status(503)
    times = sorted(answer.seconds for answer in refused)
    figures[f"database {name}"] = (
        f"unready after {unready:.1f} s, {len(refused)} x 503 in {times[len(times) // 2] * 1000:.0f} ms (p50), "
        f"{times[-1]:.1f} s at most; live in {max(answer.seconds for answer in alive):.1f} s at most; "
        f"well {recovered:.1f} s after it"
    )
    assert {answer.status for answer in alive} == {200}
    assert max(answer.seconds for answer in alive) < LIVE_SECONDS
    assert {answer.status for answer in traffic.answers} == {200, 201, 503}
    assert_in_time_and_in_form(refused)
    assert max(answer.seconds for answer in traffic.answers if answer.at > began) < ANSWER_SECONDS

    stored = dict(line.split("|") for line in rows(production, prefix))
    assert traffic.acknowledged() - stored.keys() == set()
    assert len(set(stored.values())) == len(stored), "something was stored twice"
    wait_until_no_more_is_held(web.container, at_start, threads=THREADS)
    assert len(connections(production)) <= BUDGET
    web.container.reload()
    assert web.container.attrs["RestartCount"] == 0


def rows(service: Service, prefix: str) -> list[str]:
    """Return id and name of the people whose name begins so."""
    return service.sql(f"SELECT id, name FROM people_person WHERE name LIKE '{prefix} %'").splitlines()


def test_restart_of_the_database_is_survived(production: Service, web: Web, headers: dict[str, str]) -> None:
    """All kept connections are dead then: not one request fails of that once the database is back."""
    old = connections(production)
    production.database.restart(timeout=20)
    production.wait_for_database()
    web.wait_until_ready(RECOVERY_SECONDS)
    load = send_load(web.url, [Request("GET", "/api/v1/people/")] * 500, clients=16, headers=headers)
    assert load.statuses == {200: 500}
    assert old, "no connection was kept, so none was lost"
    assert connections(production).isdisjoint(old)
