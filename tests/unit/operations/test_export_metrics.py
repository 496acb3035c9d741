"""Prometheus metrics of `onestep serve`: right with several workers, and there whatever happens to them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import URLResolver, get_resolver

from onestep.operations.metrics import CATCH_ALL, MetricsMiddleware, readable
from tests.unit.operations.commands import address
from tests.unit.operations.proxy import SilentProxy
from tests.unit.operations.scratch import Scratch
from tests.unit.operations.test_serve import Service, eventually, running, serving, waiting

# The mark has pytest-django make the database, which the service then uses.
pytestmark = pytest.mark.django_db

SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Metrics:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.fullmatch(line).groups()  # type: ignore[union-attr]
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def all(self, wanted: str, **labels: str) -> list[float]:
        """Return the values of the samples that have these labels."""
        return [value for name, has, value in self.samples if name == wanted and labels.items() <= has.items()]

    def one(self, wanted: str, **labels: str) -> float:
        [value] = self.all(wanted, **labels)
        return value

    def total(self, wanted: str, **labels: str) -> float:
        return sum(self.all(wanted, **labels))

    def labels(self, wanted: str, label: str) -> set[str]:
        return {has[label] for name, has, _ in self.samples if name == wanted}


class Measured:
    """A service and the address of its metrics."""

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self.port = port

    def scrape(self) -> Metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return Metrics(answer.read().decode())

    def answers(self) -> bool:
        try:
            return bool(self.scrape().samples)
        except OSError:
            return False

    def exporter(self) -> int:
        """Return the process that listens: it alone has no thread pool of gunicorn's, and holds the port."""
        [pid] = [pid for pid in self.service.workers() if self._listens(pid)]
        return pid

    def web_workers(self) -> list[int]:
        return [pid for pid in self.service.workers() if not self._listens(pid)]

    def folder(self) -> Path:
        """Return where the workers write their figures."""
        [folder] = {file.parent for file in open_files(self.web_workers()[0]) if file.suffix == ".db"}
        return folder

    def _listens(self, pid: int) -> bool:
        local = f":{self.port:04X} 00000000:0000 0A"
        lines = [line for line in Path("/proc/net/tcp").read_text().splitlines() if local in line]
        sockets = {f"socket:[{line.split()[9]}]" for line in lines}
        return not sockets.isdisjoint(map(str, open_files(pid)))


def open_files(pid: int) -> list[Path]:
    """Return what a process has open, less what it closed meanwhile."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(link.readlink())
    return found


@pytest.fixture
def measured(migrated: Scratch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Measured]:
    """The service with metrics; a test may give further variables by `indirect`."""
    port = free_port()
    variables = {"POSTGRES_DB": migrated.name, "METRICS_BIND": f"127.0.0.1:{port}", **getattr(request, "param", {})}
    with serving(tmp_path, **variables) as service:
        found = Measured(service, port)
        eventually(lambda: service.ready() == 200 and len(service.workers()) == 3 and found.answers())
        yield found


def test_requests_are_counted_exactly(measured: Measured) -> None:
    """By whichever worker answered: each scrape has the sum."""
    before = measured.scrape()
    sent = {
        ("GET", "/api/v1/people/", 401): 30,
        ("GET", "/api/v1/people/7/", 401): 20,
        ("GET", "/api/v1/people/8/", 401): 10,
        ("POST", "/api/v1/people/", 401): 5,
        ("GET", "/health/live", 200): 7,
        ("BREW", "/api/v1/people/", 401): 3,
    }
    for (verb, path, status), number in sent.items():
        assert {measured.service.ask(verb, path)[0] for _ in range(number)} == {status}
    after = measured.scrape()

    def counted(**labels: str) -> float:
        name = "onestep_requests_total"
        return after.total(name, **labels) - before.total(name, **labels)

    people, person = "/api/v1/people/", "/api/v1/people/{pk}/"
    assert counted() == sum(sent.values())
    assert counted(route=people, method="GET", status="401") == 30
    assert counted(route=people, method="POST") == 5
    assert counted(route=people, method="other", status="401") == 3
    assert counted(route=person) == 30
    assert counted(route="/health/live/", status="200") == 7
    assert after.one("onestep_request_duration_seconds_count", route=person) == 30
    assert after.one("onestep_request_duration_seconds_bucket", route=person, le="+Inf") == 30
    assert 0 < after.one("onestep_request_duration_seconds_sum", route=person) < 30
    assert after.one("onestep_requests_in_progress") == 0


def test_unknown_addresses_have_one_label(measured: Measured) -> None:
    """What clients make up adds no series, be it below the API, the admin, static files or nowhere."""
    made_up = [f"/{prefix}{number}" for prefix in ("", "api/", "api/v1/people/x", "health/") for number in range(5)]
    for path in made_up:
        connection_status(measured.service.port, path)
    connection_status(measured.service.port, "/static/nothing.css")
    found = measured.scrape()
    routes = found.labels("onestep_requests_total", "route")
    assert routes <= {"unmatched", "/static/", "/health/ready/"}
    assert found.total("onestep_requests_total", route="unmatched") == len(made_up)
    assert found.total("onestep_requests_total", route="/static/") == 1


def connection_status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_every_route_is_readable() -> None:
    """A label is an address with names in braces: no expression, and nothing of the request."""

    def walk(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern, route)
            else:
                yield route

    routes = set(walk(get_resolver()))
    assert routes >= CATCH_ALL
    labels = {readable(route) for route in routes}
    assert {label for label in labels if not re.fullmatch(r"(/[a-z0-9_.{}-]*)+", label)} == {"unmatched"}
    assert "/api/v1/initiatives/{pk}/team/{person}/" in labels


def test_failure_is_counted() -> None:
    """What no other middleware has caught counts as a 500, and is under way no more."""

    def fail(request: HttpRequest) -> HttpResponse:
        assert middleware.metrics.in_progress._value.get() == before + 1
        raise ZeroDivisionError

    middleware = MetricsMiddleware(fail)
    before = middleware.metrics.in_progress._value.get()
    with pytest.raises(ZeroDivisionError):
        middleware(RequestFactory().get("/fail/"))
    assert middleware.metrics.in_progress._value.get() == before
    assert middleware.metrics.requests.labels("unmatched", "GET", "500")._value.get() == 1


def test_count_outlives_worker(measured: Measured) -> None:
    """A worker that dies takes no count with it; what it had open is gone; and its files are taken over."""
    for _ in range(40):
        measured.service.ask("GET", "/api/v1/people/")
    folder = measured.folder()
    files = {file.name for file in folder.iterdir()}
    first = set(measured.web_workers())
    for number in range(3):
        os.kill(measured.web_workers()[0], signal.SIGKILL)
        eventually(lambda number=number: measured.scrape().one("onestep_worker_starts_total") == 3 + number)
    eventually(lambda: len(measured.web_workers()) == 2 and measured.service.ready() == 200)
    assert set(measured.web_workers()) != first
    found = measured.scrape()
    assert found.total("onestep_requests_total", route="/api/v1/people/") == 40
    assert found.labels("onestep_database_connections", "worker") == {"0", "1"}
    assert {file.name for file in folder.iterdir()} == files


def test_requests_under_way(measured: Measured, migrated: Scratch) -> None:
    """While every thread of every worker is busy, a scrape answers at once, and shows them with their connections."""
    with closing(psycopg2.connect(migrated.url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        threads: list[threading.Thread] = []

        def all_busy() -> bool:
            """Ask once more where a thread is free: which worker takes a connection is the kernel's choice."""
            if measured.scrape().one("onestep_requests_in_progress") == 4:
                return True
            body = {"username": "ann", "password": "wrong"}
            threads.append(threading.Thread(target=measured.service.ask, args=("POST", "/api/v1/auth/token/", body)))
            threads[-1].start()
            return False

        eventually(all_busy)
        eventually(lambda: waiting(cursor))  # a request counts before its statement is sent
        eventually(lambda: measured.scrape().total("onestep_database_connections") >= 4)
        began = time.monotonic()
        measured.scrape()
        assert time.monotonic() - began < 2
        connection.rollback()
        for thread in threads:
            thread.join()
    eventually(lambda: measured.scrape().one("onestep_requests_in_progress") == 0)


def test_request_dies_with_its_worker(measured: Measured, migrated: Scratch) -> None:
    """What a worker had under way when it was killed is under way no more."""
    with closing(psycopg2.connect(migrated.url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")

        def ask() -> None:
            with suppress(OSError, http.client.HTTPException):
                measured.service.ask("POST", "/api/v1/auth/token/", {"username": "ann", "password": "wrong"})

        thread = threading.Thread(target=ask)
        thread.start()
        eventually(lambda: measured.scrape().one("onestep_requests_in_progress") == 1)
        for worker in measured.web_workers():
            os.kill(worker, signal.SIGKILL)
        thread.join()
        eventually(lambda: measured.scrape().one("onestep_worker_starts_total") == 4)
        eventually(lambda: measured.scrape().one("onestep_requests_in_progress") == 0)


def test_scrape_while_database_is_silent(migrated: Scratch, tmp_path: Path) -> None:
    """It says within two seconds that the replica is not ready, and all that needs no database; then it recovers."""
    port = free_port()
    with SilentProxy() as proxy:
        where = {"DB_HOST": "127.0.0.1", "DB_PORT": str(proxy.port), "POSTGRES_DB": migrated.name}
        with serving(tmp_path, **{**address(), **where}, METRICS_BIND=f"127.0.0.1:{port}") as service:
            measured = Measured(service, port)
            eventually(lambda: service.ready() == 200 and measured.answers())
            assert measured.scrape().one("onestep_ready") == 1
            assert measured.scrape().one("onestep_migrations_pending") == 0
            proxy.silent.set()
            for _ in range(3):
                began = time.monotonic()
                found = measured.scrape()
                assert time.monotonic() - began < 2
                assert found.one("onestep_ready") == 0
                assert found.all("onestep_migrations_pending") == []
                assert found.total("onestep_requests_total") > 0
            proxy.silent.clear()
            eventually(lambda: measured.scrape().one("onestep_ready") == 1)


def test_migrations_pending(measured: Measured, migrated: Scratch) -> None:
    migrated.rows("DELETE FROM django_migrations WHERE app IN ('people', 'initiatives')")
    gone = measured.scrape()
    assert gone.one("onestep_ready") == 0
    assert gone.one("onestep_check_status", check="migrations") == 2
    assert gone.one("onestep_migrations_pending") == 3  # people 1, initiatives 2


def test_scrape_keeps_no_connection(measured: Measured, migrated: Scratch) -> None:
    """Each connection that is kept counts against the budget."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    eventually(
        lambda: migrated.rows(asked, migrated.name) == [int(measured.scrape().total("onestep_database_connections"))]
    )


def test_exporter_is_started_again(measured: Measured) -> None:
    """Its death costs no count, and no request."""
    measured.service.ask("GET", "/api/v1/people/")
    os.kill(measured.exporter(), signal.SIGKILL)
    eventually(measured.answers)
    assert measured.scrape().total("onestep_requests_total", route="/api/v1/people/") == 1
    assert measured.service.ready() == 200
    [event] = [event for event in measured.service.events() if "onestep.E056" in event]
    assert event == "onestep.E056 The exporter of metrics ended by itself, and is started again."


def test_exporter_ends_with_its_server(measured: Measured) -> None:
    exporter = measured.exporter()
    os.kill(measured.service.server(), signal.SIGKILL)
    eventually(lambda: not running(exporter))


def test_exporter_leaves_nothing(measured: Measured) -> None:
    """It answers while the server drains, and is gone with it, its folder too."""
    exporter, folder = measured.exporter(), measured.folder()
    measured.service.stop()
    eventually(lambda: measured.scrape().one("onestep_ready") == 0)
    assert measured.service.process.wait(10) == 0
    eventually(lambda: not running(exporter))
    assert not folder.exists()


def test_metrics_are_not_on_the_port_of_clients(measured: Measured) -> None:
    assert measured.service.ask("GET", "/api/v1/nothing/")[0] == 404
    assert connection_status(measured.service.port, "/metrics") == 404


def written(folder: Path, good_hours: float, outcome: str) -> str:
    """Write a status.json, and return its path."""

    def at(hours: float) -> str:
        return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    attempt = {"at": at(0), "outcome": outcome, "id": None, "detail": "", "seconds": 1}
    good = {"at": at(good_hours), "snapshot": "abcd1234", "bytes": 4711, "seconds": 2.5}
    file = folder / "status.json"
    file.write_text(json.dumps({"version": 1, "last_attempt": attempt, "last_good": good, "interval_seconds": 86400}))
    return str(file)


def test_backups(migrated: Scratch, tmp_path: Path) -> None:
    port, file = free_port(), written(tmp_path, 2, "failed")
    variables = {"POSTGRES_DB": migrated.name, "METRICS_BIND": f"127.0.0.1:{port}", "BACKUP_STATUS": file}
    with serving(tmp_path, **variables) as service:
        measured = Measured(service, port)
        eventually(lambda: service.ready() == 200 and measured.answers())
        found = measured.scrape()
        assert 7200 <= found.one("onestep_backup_age_seconds") <= 7260
        assert found.one("onestep_backup_bytes") == 4711
        assert found.one("onestep_backup_duration_seconds") == 2.5
        assert found.one("onestep_backup_last_attempt_ok") == 0
        assert abs(found.one("onestep_backup_last_attempt_time_seconds") - time.time()) < 60
        assert found.one("onestep_backup_max_age_seconds") == 26 * 3600
        assert found.one("onestep_check_status", check="backup") == 1
        assert found.one("onestep_ready") == 1
        Path(file).write_text("{")
        broken = measured.scrape()
        assert broken.all("onestep_backup_age_seconds") == []
        assert broken.one("onestep_check_status", check="backup") == 1


def test_pooler_is_away(migrated: Scratch, tmp_path: Path) -> None:
    """It is said in the log once, with its id, and nothing else suffers."""
    port = free_port()
    variables = {"POSTGRES_DB": migrated.name, "METRICS_BIND": f"127.0.0.1:{port}"}
    console = {"PGBOUNCER_ADMIN": "127.0.0.1:1", "PGBOUNCER_STATS_PASSWORD": "of nobody"}
    with serving(tmp_path, **variables, **console) as service:
        measured = Measured(service, port)
        eventually(lambda: service.ready() == 200 and measured.answers())
        for _ in range(3):
            found = measured.scrape()
            assert found.one("onestep_pool_up") == 0
            assert found.all("onestep_pool_clients") == []
            assert found.one("onestep_ready") == 1
        [event] = [event for event in service.events() if "onestep.E057" in event]
        assert "Connection refused" in event
        assert "of nobody" not in (tmp_path / "log").read_text()


def test_build_is_named(migrated: Scratch, tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, POSTGRES_DB=migrated.name, METRICS_BIND=f"127.0.0.1:{port}", REVISION="0ac5") as service:
        measured = Measured(service, port)
        eventually(lambda: service.ready() == 200 and measured.answers())
        found = measured.scrape()
        assert found.one("onestep_build_info", revision="0ac5") == 1
        assert found.labels("onestep_build_info", "version") <= {"0.1.0"}
        assert (found.one("onestep_web_workers"), found.one("onestep_web_threads")) == (2, 2)


def test_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        with serving(tmp_path, METRICS_BIND=bind) as service:
            assert service.process.wait(20) == 78
    text = (tmp_path / "log").read_text()
    assert f"CommandError: onestep.E055 METRICS_BIND: nothing can listen on {bind}: Address already in use" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"BIND": "0.0.0.0:8000", "METRICS_BIND": "127.0.0.1:8000"},
            "onestep.E055 METRICS_BIND: it is the port of BIND",
        ),
        ({"METRICS_BIND": "9464"}, "onestep.E002 METRICS_BIND: '9464' is not HOST:PORT"),
        ({"PGBOUNCER_ADMIN": "pgbouncer:6432"}, "onestep.E001 PGBOUNCER_STATS_PASSWORD: it is not set"),
        ({"PGBOUNCER_ADMIN": "pgbouncer"}, "onestep.E002 PGBOUNCER_ADMIN: 'pgbouncer' is not HOST:PORT"),
    ],
)
def test_settings_are_refused(tmp_path: Path, variables: dict[str, Any], problem: str) -> None:
    with serving(tmp_path, **variables) as service:
        assert service.process.wait(20) == 78
    assert problem in (tmp_path / "log").read_text()
