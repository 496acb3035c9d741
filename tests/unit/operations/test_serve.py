"""`onestep serve`: gunicorn under a supervisor, from the first check to the last request."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.unit.operations.commands import ONESTEP, address
from tests.unit.operations.scratch import Scratch

# The mark has pytest-django make the database, which the service then uses.
pytestmark = pytest.mark.django_db

DRAIN_SECONDS = 1


class Service:
    """A running `onestep serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def ask(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request on a connection of its own; return the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            content = json.dumps(body) if body is not None else None
            connection.request(verb, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def ready(self) -> int:
        """Return the status of /health/ready, 0 where nobody listens (any more)."""
        try:
            return self.ask("GET", "/health/ready")[0]
        except ConnectionError:
            return 0

    def server(self) -> int:
        """Return the process id of gunicorn's arbiter: the supervisor's only child."""
        pid = self.process.pid
        [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)

    def workers(self) -> list[int]:
        pid = self.server()
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log: all of them JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def events(self) -> list[str]:
        return [str(line["event"]) for line in self.log()]


def eventually(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[Service]:
    """Run the command on a free port, in a folder of its own."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "media").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "DEBUG": "1",
        "BIND": f"127.0.0.1:{port}",
        "WEB_WORKERS": "2",
        "WEB_THREADS": "2",
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "media"),
        **address(),
        **variables,
    }
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen([*ONESTEP, "serve"], env=environment, stdout=output, stderr=output, text=True)
        try:
            yield Service(process, port, log)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def service(migrated: Scratch, tmp_path: Path) -> Iterator[Service]:
    """The service on a database of its own, since what it writes is committed."""
    with serving(tmp_path, POSTGRES_DB=migrated.name) as found:
        eventually(lambda: found.ready() == 200 and len(found.workers()) == 2)
        yield found


@pytest.fixture
def slow_request(service: Service, migrated: Scratch) -> Iterator[tuple[threading.Event, list[Any]]]:
    """A log-in that waits for the table of users until the event is set, and what it is answered."""
    connection = psycopg2.connect(migrated.url)
    answered: list[Any] = []
    release = threading.Event()

    def ask() -> None:
        try:
            answered.append(service.ask("POST", "/api/v1/auth/token/", {"username": "ann", "password": "wrong"}))
        except (OSError, http.client.HTTPException) as error:
            answered.append(error)

    with closing(connection), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=ask)
        thread.start()
        eventually(lambda: waiting(cursor))

        def unlock() -> None:
            release.wait(20)
            connection.rollback()

        unlocker = threading.Thread(target=unlock)
        unlocker.start()
        yield release, answered
        release.set()
        unlocker.join()
        thread.join()


def running(pid: int) -> bool:
    """Return whether the process is there, and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waiting(cursor: Any) -> bool:
    """Return whether a session waits for the lock on the table of users."""
    cursor.execute("SELECT count(*) FROM pg_locks WHERE relation = 'accounts_user'::regclass AND NOT granted")
    return bool(cursor.fetchone()[0])


def test_serve_drains_and_finishes(service: Service, slow_request: tuple[threading.Event, list[Any]]) -> None:
    """SIGTERM: readiness ends at once, requests are served all the same, and the one under way is answered."""
    release, answered = slow_request
    service.stop()
    start = time.monotonic()
    eventually(lambda: service.ready() == 503, seconds=0.5)
    assert [service.ready() for _ in range(10)] == [503] * 10  # in every worker
    assert service.ask("GET", "/health/live") == (200, {"status": "ok"})
    assert service.ask("GET", "/api/v1/nothing/")[0] == 404
    eventually(lambda: "Handling signal: term" in service.events())
    assert time.monotonic() - start >= DRAIN_SECONDS - 0.1
    assert service.process.poll() is None
    assert answered == []
    release.set()
    assert service.process.wait(10) == 0
    eventually(lambda: bool(answered))
    assert answered[0][0] == 401
    assert "draining" in service.events()
    assert service.events()[-1] == "server_stopped"


def test_serve_is_withdrawn(service: Service) -> None:
    """SIGUSR1: readiness ends, and nothing else does, for as long as nobody stops it; then it drains as ever."""
    service.stop(signal.SIGUSR1)
    eventually(lambda: service.ready() == 503, seconds=0.5)
    time.sleep(DRAIN_SECONDS + 0.5)  # longer than it would serve after SIGTERM
    service.stop(signal.SIGUSR1)
    assert [service.ready() for _ in range(10)] == [503] * 10
    assert service.ask("GET", "/health/live") == (200, {"status": "ok"})
    assert service.events().count("draining") == 0
    start = time.monotonic()
    service.stop()
    assert service.process.wait(10) == 0
    assert time.monotonic() - start >= DRAIN_SECONDS - 0.1
    assert "draining" in service.events()


def test_serve_stops_at_once(service: Service, slow_request: tuple[threading.Event, list[Any]]) -> None:
    """The second signal waits for nothing, and leaves no process behind."""
    workers = service.workers()
    assert len(workers) == 2
    service.stop()
    eventually(lambda: service.ready() == 503)
    service.stop(signal.SIGINT)
    assert service.process.wait(4) == 128 + signal.SIGKILL
    eventually(lambda: not any(running(pid) for pid in workers), seconds=2)


def test_serve_ends_with_its_server(service: Service) -> None:
    os.kill(service.server(), signal.SIGKILL)
    assert service.process.wait(10) == 128 + signal.SIGKILL
    [line] = [line for line in service.log() if line["event"] == "server_died"]
    assert (line["level"], line["id"], line["status"]) == ("error", "onestep.E052", 137)


def test_serve_ends_without_supervisor(service: Service) -> None:
    """Nothing serves on when the supervisor is killed: nobody could stop it any more."""
    server = service.server()
    service.process.kill()
    eventually(lambda: not running(server))


def test_serve_replaces_worker(service: Service) -> None:
    first = set(service.workers())
    os.kill(min(first), signal.SIGKILL)
    eventually(lambda: len(set(service.workers()) | first) == 3)
    assert service.ready() == 200


def test_serve_logs_json(service: Service) -> None:
    """One line for each request, none for a probe, and gunicorn's own in the same form."""
    service.ask("GET", "/api/v1/nothing/?a=1")
    service.ask("GET", "/health/live")
    service.stop()
    assert service.process.wait(10) == 0
    lines = service.log()
    assert {line["logger"] for line in lines} >= {"gunicorn.error", "onestep.supervisor"}
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    [line] = [line for line in lines if "request" in line]
    assert line.pop("milliseconds") > 0
    assert len(line.pop("request_id")) == 36
    del line["timestamp"]
    assert line == {
        "event": "request_finished",
        "request": "GET /api/v1/nothing/?a=1",
        "code": 404,
        "ip": "127.0.0.1",
        "user_id": None,
        "level": "warning",
        "logger": "django_structlog.middlewares.request",
    }


def test_serve_supervisor_is_lean(service: Service) -> None:
    """PID 1 holds no second copy of the application: a quarter of a worker's memory at most."""

    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])

    assert resident(service.process.pid) < resident(service.workers()[0]) / 4


def test_serve_waits_for_database(tmp_path: Path) -> None:
    """While it waits it can be stopped, and it says what it waits for."""
    with serving(tmp_path, DB_HOST="127.0.0.1", DB_PORT="1") as service:
        eventually(lambda: any("onestep.E020" in event for event in service.events()))
        service.stop()
        assert service.process.wait(5) == 128 + signal.SIGTERM


def test_serve_without_database(tmp_path: Path) -> None:
    with serving(tmp_path, DB_HOST="127.0.0.1", DB_PORT="1", DB_WAIT_TIMEOUT="1") as service:
        assert service.process.wait(10) == 75
    text = (tmp_path / "log").read_text()
    assert "CommandError: onestep.E020 " in text
    assert "Traceback" not in text


def test_serve_reports_volumes(tmp_path: Path) -> None:
    """A folder that is missing is said, and degrades the service; the service starts."""
    with serving(tmp_path, MEDIA_ROOT="/nowhere") as service:
        eventually(lambda: service.ready() == 200)
        assert service.ask("GET", "/health/ready")[1]["status"] == "degraded"
        assert any(event.startswith("onestep.E040 MEDIA_ROOT: /nowhere: ") for event in service.events())
