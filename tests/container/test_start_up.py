"""How a container of the production image starts, and how it ends."""

from __future__ import annotations

import json
import re
import secrets
import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from tests.container.service import Service, Web
from tests.container.stack import wait_until

READY_SECONDS = 5.0  # from the start of a container to its first 200 of /health/ready, with one CPU
COLD_SECONDS = (
    25.0  # the same from nothing: an empty volume, PostgreSQL's own initialisation and all migrations included
)
REFUSED_SECONDS = 5.0  # until a container that cannot start has said why, and ended
WARM_STARTS = 10

PASSWORD = secrets.token_urlsafe(24)
KEY = secrets.token_urlsafe(64)
URL = f"postgresql://onestep:{PASSWORD}@db:5432/onestep"
ONLY_URL = {"DB_HOST": "", "POSTGRES_DB": "", "POSTGRES_USER": "", "POSTGRES_PASSWORD": ""}

# What is changed in an environment that is right, and the problem that is reported for it: the one and no other.
BAD_ENVIRONMENTS: dict[str, tuple[dict[str, str], str]] = {
    "no secret key": ({"SECRET_KEY": ""}, "E001 SECRET_KEY"),
    "no database password": ({"POSTGRES_PASSWORD": ""}, "E001 POSTGRES_PASSWORD"),
    "no password in the URL": ({**ONLY_URL, "DATABASE_URL": "postgresql://onestep@db/onestep"}, "E001 DATABASE_URL"),
    "secret file is empty": ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/dev/null"}, "E001 SECRET_KEY"),
    "switch that is no switch": ({"DEBUG": "maybe"}, "E002 DEBUG"),
    "other switch that is no switch": ({"HTTPS": "2"}, "E002 HTTPS"),
    "no workers": ({"WEB_WORKERS": "0"}, "E002 WEB_WORKERS"),
    "too many threads": ({"WEB_THREADS": "1000"}, "E002 WEB_THREADS"),
    "number with a unit": ({"DB_STATEMENT_TIMEOUT": "10s"}, "E002 DB_STATEMENT_TIMEOUT"),
    "negative number": ({"NUM_PROXIES": "-1"}, "E002 NUM_PROXIES"),
    "port that is a word": ({"DB_PORT": "postgres"}, "E002 DB_PORT"),
    "port out of range": ({"DB_PORT": "65536"}, "E002 DB_PORT"),
    "address without a port": ({"BIND": "0.0.0.0"}, "E002 BIND"),
    "log level that is none": ({"LOG_LEVEL": "LOUD"}, "E002 LOG_LEVEL"),
    "host with a scheme": ({"ALLOWED_HOSTS": "https://api.example.org"}, "E002 ALLOWED_HOSTS"),
    "origin with a path": ({"CSRF_TRUSTED_ORIGINS": "https://example.org/app"}, "E002 CSRF_TRUSTED_ORIGINS"),
    "origin without a scheme": ({"CORS_ALLOWED_ORIGINS": "example.org"}, "E002 CORS_ALLOWED_ORIGINS"),
    "secret key in both forms": ({"SECRET_KEY_FILE": "/run/secrets/key"}, "E003 SECRET_KEY"),
    "password in both forms": ({"POSTGRES_PASSWORD_FILE": "/run/secrets/password"}, "E003 POSTGRES_PASSWORD"),
    "secret file missing": ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/run/secrets/key"}, "E004 SECRET_KEY_FILE"),
    "secret file is a folder": (
        {"POSTGRES_PASSWORD": "", "POSTGRES_PASSWORD_FILE": "/"},
        "E004 POSTGRES_PASSWORD_FILE",
    ),
    "secret file is another's": ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/etc/shadow"}, "E004 SECRET_KEY_FILE"),
    "secret file is no text": (
        {"SECRET_KEY": "", "SECRET_KEY_FILE": "/usr/local/bin/python3.11"},
        "E004 SECRET_KEY_FILE",
    ),
    "URL file missing": ({**ONLY_URL, "DATABASE_URL_FILE": "/run/secrets/url"}, "E004 DATABASE_URL_FILE"),
    "short secret key": ({"SECRET_KEY": KEY[:49]}, "E005 SECRET_KEY"),
    "secret key of few characters": ({"SECRET_KEY": "abcd" * 20}, "E005 SECRET_KEY"),
    "Django's generated secret key": ({"SECRET_KEY": f"django-insecure-{KEY}"}, "E005 SECRET_KEY"),
    "weak former secret key": ({"SECRET_KEY_FALLBACKS": f"{KEY},short"}, "E005 SECRET_KEY_FALLBACKS"),
    "no host": ({"ALLOWED_HOSTS": " , "}, "E006 ALLOWED_HOSTS"),
    "database password that all know": ({"POSTGRES_PASSWORD": "Changeme"}, "E007 POSTGRES_PASSWORD"),
    "database password that is the user": ({"POSTGRES_USER": KEY, "POSTGRES_PASSWORD": KEY}, "E007 POSTGRES_PASSWORD"),
    "URL and parts in conflict": ({"DATABASE_URL": URL.replace("/onestep", "/other")}, "E008 DATABASE_URL"),
    "URL of another database": ({**ONLY_URL, "DATABASE_URL": f"mysql{URL[10:]}"}, "E009 DATABASE_URL"),
    "URL with a bare character": ({**ONLY_URL, "DATABASE_URL": URL.replace("@", "/@")}, "E009 DATABASE_URL"),
    "URL with a port out of range": ({**ONLY_URL, "DATABASE_URL": URL.replace("5432", "99999")}, "E009 DATABASE_URL"),
    "URL without a database": ({**ONLY_URL, "DATABASE_URL": URL.removesuffix("/onestep")}, "E009 DATABASE_URL"),
    "URL with an unknown parameter": ({**ONLY_URL, "DATABASE_URL": f"{URL}?sslmod=require"}, "E009 DATABASE_URL"),
    "any host": ({"ALLOWED_HOSTS": "*"}, "E010 ALLOWED_HOSTS"),
}

# The same for databases that cannot be used, with the exit status: 78 where something has to be corrected, 75 where it
# may come right by itself, which is waited for.
WAIT_SECONDS = 2
DATABASE_FAULTS: dict[str, tuple[dict[str, str], str, int]] = {
    "wrong password": ({"POSTGRES_PASSWORD": PASSWORD}, "E022", 78),
    "no such user": ({"POSTGRES_USER": "nobody"}, "E022", 78),  # PostgreSQL does not tell the two apart
    "no such database": ({"POSTGRES_DB": "absent"}, "E023", 78),
    "user who may not log in": ({"POSTGRES_USER": "resting", "POSTGRES_PASSWORD": PASSWORD}, "E030", 78),
    "encryption that the server has not": ({"PGSSLMODE": "require"}, "E027", 78),
    "nothing listens": ({"DB_PORT": "1"}, "E020", 75),
    "no such host": ({"DB_HOST": "nowhere"}, "E025", 75),
}


@pytest.fixture
def web(production: Service) -> Iterator[Web]:
    """A web container that is ready, with a short drain; a test may stop it."""
    [web] = production.start_web(environment={"DRAIN_SECONDS": "1"})
    web.wait_until_ready()
    yield web
    web.container.remove(force=True)


def test_warm_starts_are_ready_in_time(production: Service, measured: dict[str, float]) -> None:
    """On a migrated database, from `docker run` to the first 200 of readiness; each container is a new one."""
    seconds = []
    for _ in range(WARM_STARTS):
        began = time.monotonic()
        [web] = production.start_web()
        web.wait_until_ready()
        seconds.append(time.monotonic() - began)
        web.container.remove(force=True)
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    measured[f"warm start, p50 of {WARM_STARTS}"] = statistics.median(seconds)
    measured[f"warm start, p95 of {WARM_STARTS}"] = p95
    assert p95 <= READY_SECONDS, seconds


def test_web_waits_for_database_and_migrations(measured: dict[str, float]) -> None:
    """Started before both, and never again: it says what it waits for, and is ready as soon as they are there."""
    cold = Service()
    try:
        cold.create_surroundings()
        [web] = cold.start_web()
        wait_until(lambda: "onestep.E025" in web.logs(), at_most=READY_SECONDS)

        began = time.monotonic()
        cold.start_database()
        wait_until(lambda: "gunicorn.error" in web.logs(), at_most=30)
        wait_until(lambda: answers(web), at_most=READY_SECONDS)
        pending = web.get("/health/ready")
        assert pending.status_code == 503
        assert pending.json()["checks"]["migrations"]["id"] == "onestep.E051"
        assert web.get("/health/live").status_code == 200
        assert web.get("/api/v1/people/").status_code in {401, 503}

        cold.migrate()
        migrated = time.monotonic()
        web.wait_until_ready()
        measured["cold start: empty volume, database, all migrations, web"] = time.monotonic() - began
        measured["ready after the last migration"] = time.monotonic() - migrated
        assert time.monotonic() - migrated <= 1
        assert time.monotonic() - began <= COLD_SECONDS
    finally:
        cold.remove()


@pytest.mark.parametrize("case", BAD_ENVIRONMENTS)
def test_bad_environment_stops_the_start(production: Service, case: str) -> None:
    """Within seconds, in words, by its id, with exit status 78, and without showing a secret."""
    changes, problem = BAD_ENVIRONMENTS[case]
    began = time.monotonic()
    done = production.onestep("serve", environment=changes)
    assert time.monotonic() - began <= REFUSED_SECONDS
    assert re.findall(r"onestep\.(E\d+ \w+):", done.output) == [problem], done.output
    assert done.status == 78
    assert "Traceback" not in done.output
    assert not [secret for secret in (KEY, PASSWORD, production.password) if secret in done.output]


def test_all_problems_are_named_at_once(production: Service) -> None:
    changes = {"SECRET_KEY": "short", "ALLOWED_HOSTS": "*", "POSTGRES_PASSWORD": "onestep", "WEB_WORKERS": "many"}
    done = production.onestep("migrate", environment=changes)
    assert sorted(re.findall(r"onestep\.(E\d+) \w+:", done.output)) == ["E002", "E005", "E007", "E010"]
    assert "4 problems" in done.output
    assert done.status == 78


@pytest.mark.parametrize("case", DATABASE_FAULTS)
def test_database_fault_stops_the_start(production: Service, case: str) -> None:
    changes, error_id, status = DATABASE_FAULTS[case]
    production.sql(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'resting') THEN "
        f"CREATE ROLE resting NOLOGIN PASSWORD '{PASSWORD}'; END IF; END $$"
    )
    began = time.monotonic()
    done = production.onestep("serve", environment={"DB_WAIT_TIMEOUT": str(WAIT_SECONDS), **changes})
    assert time.monotonic() - began <= WAIT_SECONDS + REFUSED_SECONDS
    assert f"onestep.{error_id} " in done.output, done.output
    assert done.status == status
    assert "Traceback" not in done.output
    assert production.password not in done.output


def test_database_that_hangs_stops_the_start(production: Service) -> None:
    """It accepts connections, and does not answer."""
    production.database.pause()
    try:
        hurry = {"DB_WAIT_TIMEOUT": str(WAIT_SECONDS), "DB_CONNECT_TIMEOUT": "2"}
        done = production.onestep("serve", environment=hurry)
    finally:
        production.database.unpause()
    assert "onestep.E028 " in done.output
    assert done.status == 75


def test_stop_drains_a_request_in_flight(production: Service, web: Web) -> None:
    """Readiness turns 503 while all else is served; what was under way is finished, and the exit status is 0."""
    production.create_user("ada", "ada-and-the-engine")
    token = web.obtain_token("ada", "ada-and-the-engine")
    body = json.dumps({"name": "In flight"}).encode()
    head = (
        "POST /api/v1/people/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", int(web.url.rpartition(":")[2])), timeout=30) as slow:
        slow.sendall(head + body[:5])
        web.container.kill("SIGTERM")
        wait_until(lambda: web.get("/health/ready").status_code == 503, at_most=1)
        assert web.get("/health/ready").json()["checks"]["process"]["id"] == "onestep.E050"
        assert web.get("/health/live").status_code == 200
        wait_until(lambda: "Handling signal: term" in web.logs(), at_most=5)
        slow.sendall(body[5:])
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    assert web.container.wait(timeout=30)["StatusCode"] == 0
    assert production.sql("SELECT count(*) FROM people_person WHERE name = 'In flight'") == "1"


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_signal_to_the_container_ends_it_well(web: Web, signal: str) -> None:
    web.container.kill(signal)
    assert web.container.wait(timeout=10)["StatusCode"] == 0


def test_docker_stop_needs_no_kill(web: Web) -> None:
    began = time.monotonic()
    web.container.stop(timeout=30)
    web.container.reload()
    assert web.container.attrs["State"]["ExitCode"] == 0
    assert time.monotonic() - began <= 5


def test_stop_while_waiting_for_the_database(production: Service) -> None:
    container = production.create("serve", environment={"DB_HOST": "nowhere"})
    container.start()
    wait_until(lambda: b"Waiting for the database" in container.logs(), at_most=10)
    began = time.monotonic()
    container.stop(timeout=10)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 143  # 128 + SIGTERM
    assert time.monotonic() - began <= 3


def test_pid_1_reaps_orphans(web: Web) -> None:
    """A process whose parent has ended is PID 1's, and leaves no zombie."""
    pid = shell(web, "sleep 60 >/dev/null 2>&1 & echo $!")
    assert "PPid:\t1\n" in shell(web, f"cat /proc/{pid}/status") + "\n"
    shell(web, f"kill {pid}")
    wait_until(lambda: shell(web, f"test -e /proc/{pid} && echo there; true") == "", at_most=5)


def test_death_of_the_server_ends_the_container(web: Web) -> None:
    """So that the restart policy starts it again: a container without a server must not look alive."""
    master = shell(web, "cat /proc/1/task/1/children").split()
    assert len(master) == 1
    shell(web, f"kill -KILL {master[0]}")
    assert web.container.wait(timeout=10)["StatusCode"] == 137  # 128 + SIGKILL
    assert [event["id"] for event in web.events() if event["event"] == "server_died"] == ["onestep.E052"]


def test_death_of_a_worker_is_made_good(web: Web) -> None:
    [master] = shell(web, "cat /proc/1/task/1/children").split()
    workers = shell(web, f"cat /proc/{master}/task/{master}/children").split()
    shell(web, f"kill -KILL {workers[0]}")
    wait_until(
        lambda: len(set(shell(web, f"cat /proc/{master}/task/{master}/children").split()) - {workers[0]}) == 2,
        at_most=10,
    )
    assert web.is_ready()


def answers(web: Web) -> bool:
    """Return whether `/health/live` answers."""
    try:
        return web.get("/health/live").status_code == 200
    except OSError:
        return False


def shell(web: Web, command: str) -> str:
    """Run a command in the container as its user, and return what it prints. Raises AssertionError where it fails."""
    done = web.container.exec_run(["sh", "-c", command])
    assert done.exit_code == 0, done.output.decode()
    return str(done.output.decode().strip())
