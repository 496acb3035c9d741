"""Several replicas of the production image behind a balancer: `docker compose up --scale web=3`."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest
from docker.models.containers import Container

from tests.container.load import Request, sampled, send_load
from tests.container.service import image_id
from tests.container.stack import free_port, wait_until

MOST = 3  # replicas
WORKERS, THREADS = 2, 4
BUDGET = MOST * WORKERS * THREADS  # connections to the database
LOGIN = ("boss", "correct horse battery staple")
LIST = Request("GET", "/api/v1/people/")


class Replicas:
    """The stack of compose.scale.yml under a name of its own, and what is asked of it."""

    def __init__(self) -> None:
        self.project = f"onestep-test-{secrets.token_hex(4)}"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.engine = docker.from_env()
        self.number = 0
        self.environment = {
            "COMPOSE_FILE": str(Path(__file__).with_name("compose.scale.yml")),
            "COMPOSE_PROJECT_NAME": self.project,
            "WEB_PORT": self.url.rpartition(":")[2],
            "IMAGE": image_id(),
            "SECRET_KEY": secrets.token_urlsafe(64),
            "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
            "WEB_WORKERS": str(WORKERS),
            "WEB_THREADS": str(THREADS),
        }

    def compose(self, *arguments: str) -> str:
        """Run `docker compose`; return what it prints. Raises AssertionError where it fails."""
        done = subprocess.run(
            ["docker", "compose", "--ansi=never", *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"docker compose {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def scale(self, number: int) -> float:
        """Run so many replicas; return the seconds until the balancer sends requests to each, and to no other."""
        if number != self.number:
            self.compose("up", "--wait", "--no-recreate", f"--scale=web={number}")
            self.number = number
        return wait_until(lambda: len(self.in_turn("/health/ready")) == number, at_most=20)

    def in_turn(self, path: str, *, status: int = 200) -> set[str]:
        """Return which replicas answer so, of twelve requests."""
        with httpx.Client(base_url=self.url, timeout=10) as client:
            answers = [client.get(path) for _ in range(12)]
        return {answer.headers["X-Replica"] for answer in answers if answer.status_code == status}

    def containers(self, service: str) -> list[Container]:
        """Return the service's containers, those that have ended included."""
        return [self.engine.containers.get(one) for one in self.compose("ps", "--all", "--quiet", service).split()]

    def sql(self, statement: str) -> str:
        """Run a statement as the database's superuser; return its rows."""
        return self.compose("exec", "-T", "db", "psql", "--username=onestep", "-At", f"--command={statement}").strip()

    def headers(self) -> dict[str, str]:
        """Return the headers of a request that may do everything."""
        return {"Authorization": f"Bearer {self.log_in()['access']}"}

    def log_in(self) -> dict[str, str]:
        """Return the tokens of a log-in. Raises AssertionError where it is refused."""
        credentials = dict(zip(("username", "password"), LOGIN, strict=True))
        answer = httpx.post(f"{self.url}/api/v1/auth/token/", json=credentials, timeout=10)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, str] = answer.json()
        return tokens

    def served(self) -> Counter[str]:
        """Return how many requests of the list each replica has answered, by its own log."""
        return Counter({web.name: len(finished(web, f"{LIST.method} {LIST.path}")) for web in self.containers("web")})

    def print_logs(self) -> None:
        """Print the state and the last lines of every container."""
        for arguments in (["ps", "--all"], ["logs", "--tail=60"]):
            print(self.compose(*arguments))  # noqa: T201

    def remove(self) -> None:
        """Remove everything."""
        try:
            self.compose("down", "--volumes", "--remove-orphans", "--timeout=1")
        finally:
            self.engine.close()


def finished(container: Container, request: str) -> list[dict[str, object]]:
    """Return the log's lines of a request. What is no JSON is what `onestep migrate` has printed."""
    lines = (json.loads(line) for line in container.logs().decode().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == "request_finished" and line["request"] == request]


@pytest.fixture(scope="module")
def stack_of_replicas(request: pytest.FixtureRequest) -> Iterator[Replicas]:
    """Three replicas that were started at once, on an empty database; sample data, and somebody who may everything."""
    replicas = Replicas()
    failed_before = request.session.testsfailed
    try:
        replicas.scale(MOST)
        replicas.compose("exec", "-T", "web", "onestep", "load_sample_data", "--force", "--initiatives=100")
        login = [f"--env=DJANGO_SUPERUSER_USERNAME={LOGIN[0]}", f"--env=DJANGO_SUPERUSER_PASSWORD={LOGIN[1]}"]
        make = ["onestep", "createsuperuser", "--no-input", "--email=boss@example.org"]
        replicas.compose("exec", "-T", *login, "web", *make)
        yield replicas
        if request.session.testsfailed > failed_before:
            replicas.print_logs()
    except BaseException:
        replicas.print_logs()
        raise
    finally:
        replicas.remove()


@pytest.fixture
def replicas(stack_of_replicas: Replicas) -> Replicas:
    """Three replicas, each in the balancer's turn."""
    stack_of_replicas.scale(MOST)
    return stack_of_replicas


def test_one_of_all_migrates(replicas: Replicas, figures: dict[str, str]) -> None:
    """The job and three replicas begin at once: each migration is applied once, by one, and nothing fails."""
    runners = replicas.containers("migrate") + replicas.containers("web")
    assert len(runners) == 1 + MOST
    logs = {runner.name: runner.logs().decode() for runner in runners}
    applied = {name: re.findall(r"Applying (\S+)\.\.\.", log) for name, log in logs.items()}
    recorded = replicas.sql("SELECT app || '.' || name FROM django_migrations ORDER BY id").splitlines()
    assert sorted(applied.values(), key=len) == [[], [], [], recorded]
    assert len(set(recorded)) == len(recorded) > 20
    for name, log in logs.items():
        assert applied[name] or "No migrations to apply." in log, name
    waited = sum("Another `onestep migrate` is at work" in log for log in logs.values())
    figures["four runs of migrate at once"] = f"{len(recorded)} migrations applied by one, {waited} saw it at work"


def test_every_replica_is_ready(replicas: Replicas) -> None:
    assert len(replicas.in_turn("/health/ready")) == MOST
    assert [web.attrs["State"]["Health"]["Status"] for web in replicas.containers("web")] == ["healthy"] * MOST
    assert [web.attrs["RestartCount"] for web in replicas.containers("web")] == [0] * MOST


def test_tokens_are_valid_on_every_replica(replicas: Replicas) -> None:
    """An access token of one is taken by all; so is a refresh token, and once it is used all refuse it."""
    tokens = replicas.log_in()
    with httpx.Client(base_url=replicas.url, timeout=10) as client:
        bearer = {"Authorization": f"Bearer {tokens['access']}"}
        reads = [client.get("/api/v1/auth/me/", headers=bearer) for _ in range(2 * MOST)]
        body = {"refresh": tokens["refresh"]}
        rotated = client.post("/api/v1/auth/token/refresh/", json=body)
        again = [client.post("/api/v1/auth/token/refresh/", json=body) for _ in range(2 * MOST)]
    assert answered(reads) == ({200}, MOST)
    assert rotated.status_code == 200, rotated.text
    assert answered(again) == ({401}, MOST)


def test_session_is_valid_on_every_replica(replicas: Replicas) -> None:
    """Who logs in to the admin on one is logged in on all, and out on all after one log-out."""
    with httpx.Client(base_url=replicas.url, timeout=10, headers={"Referer": replicas.url}) as client:
        client.get("/admin/login/")
        username, password = LOGIN
        form = {"username": username, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        entered = client.post("/admin/login/?next=/admin/", data=form)
        assert entered.status_code == 302, entered.text
        inside = [client.get("/admin/") for _ in range(2 * MOST)]
        kept = client.cookies["sessionid"]
        left = client.post("/admin/logout/", data={"csrfmiddlewaretoken": client.cookies["csrftoken"]})
        client.cookies.set("sessionid", kept, domain="127.0.0.1")
        outside = [client.get("/admin/") for _ in range(2 * MOST)]
    assert answered(inside) == ({200}, MOST)
    assert left.status_code == 200, left.text
    assert answered(outside) == ({302}, MOST)


def test_log_in_limit_is_shared(replicas: Replicas) -> None:
    """Five failures, wherever they happened, and every replica refuses to look at a sixth."""
    with httpx.Client(base_url=replicas.url, timeout=10) as client:
        wrong = {"username": "somebody", "password": "a guess"}
        answers = [client.post("/api/v1/auth/token/", json=wrong) for _ in range(5 + 2 * MOST)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * 4 + [429] * (1 + 2 * MOST)
    assert answered(answers[:5])[1] == MOST
    assert answered(answers[5:]) == ({429}, MOST)


def answered(answers: list[httpx.Response]) -> tuple[set[int], int]:
    """Return with which statuses, and by how many replicas."""
    return {answer.status_code for answer in answers}, len({answer.headers["X-Replica"] for answer in answers})


def test_load_is_spread_evenly(replicas: Replicas, figures: dict[str, str]) -> None:
    """By the replicas' own logs, 900 requests of 16 clients: each answers a third of them, within 5 in 100."""
    before = replicas.served()
    load = send_load(replicas.url, [LIST] * 900, clients=16, headers=replicas.headers())
    assert load.statuses == {200: 900}
    wait_until(lambda: (replicas.served() - before).total() == 900, at_most=5)
    shares = sorted((replicas.served() - before).values())
    figures["900 requests over 3 replicas"] = " + ".join(map(str, shares))
    assert len(shares) == MOST
    assert 285 <= shares[0] <= shares[-1] <= 315


def test_connections_stay_within_budget(replicas: Replicas, figures: dict[str, str]) -> None:
    """Replicas x workers x threads, whatever the load: 48 clients for 24 threads."""
    ask = "SELECT pid FROM pg_stat_activity WHERE application_name = 'onestep'"
    with sampled(lambda: set(replicas.sql(ask).split())) as samples:
        load = send_load(replicas.url, [LIST] * 1500, clients=48, headers=replicas.headers())
    assert load.statuses == {200: 1500}
    most = max(map(len, samples))
    figures["connections of 3 replicas under load"] = f"{most} at most in {len(samples)} looks, budget {BUDGET}"
    assert MOST * WORKERS < most <= BUDGET


def test_throughput_by_number_of_replicas(replicas: Replicas, figures: dict[str, str]) -> None:
    """Reported, not judged: each replica has half a core, and shares the machine with the database and the clients."""
    headers = replicas.headers()
    found = {}
    for number in range(MOST, 0, -1):
        replicas.scale(number)
        found[number] = send_load(replicas.url, [LIST] * 300 * number, clients=16, headers=headers)
        assert found[number].statuses == {200: 300 * number}
    for number in sorted(found):
        ratio = found[number].per_second / found[1].per_second
        figures[f"throughput of {number} x half a core"] = f"{found[number]} ({ratio:.2f} times that of one)"
