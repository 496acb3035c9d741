"""The balancer alone, as compose.prod.yml describes it, before replicas that do what they are told (stand_in.py).

It starts in a second, and shows what a real replica does not: what came to it, how often, and what happens where one
breaks off. test_balancer.py has the real ones.
"""

from __future__ import annotations

import json
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from tests.container.production.stack import ProductionStack, production_stack
from tests.container.service import image_id
from tests.container.stack import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
PROBLEM = "application/problem+json"


class StandIn:
    """A replica that does what its address says."""

    def __init__(self, project: str, *, named: bool = True) -> None:
        """Start it; without `named`, the name server does not know it yet, and it listens before it does."""
        self.engine = docker.from_env()
        self.network = self.engine.networks.get(f"{project}_application")
        self.container: Container = self.engine.containers.create(
            image_id(),
            entrypoint=["python3", "-c", STAND_IN.read_text()],
            name=f"{project}-stand-in-{secrets.token_hex(3)}",
            labels={"com.docker.compose.project": project, "com.docker.compose.service": "stand-in"},
            network=None if named else "none",
            init=True,
        )
        if named:
            self.engine.networks.get("bridge").disconnect(self.container)
            self.network.connect(self.container, aliases=["web"])
        self.container.start()
        wait_until(self.listens, at_most=10)

    def name_it(self) -> None:
        """Have the name server name it."""
        self.engine.networks.get("none").disconnect(self.container)
        self.network.connect(self.container, aliases=["web"])

    def listens(self) -> bool:
        """Return whether something listens on port 8000 (0x1F40)."""
        table = self.container.exec_run(["cat", "/proc/net/tcp"]).output.decode()
        return any(":1F40 00000000:0000 0A" in line for line in table.splitlines())

    def set(self, state: str, *, on: bool) -> None:
        """Set or unset one of its states: not-ready, closed."""
        self.container.exec_run(["touch" if on else "rm", f"/tmp/{state}"])

    def requests(self) -> list[str]:
        """Return the verb and address of each request that came to it."""
        return self.lines("/tmp/requests")

    def checks(self) -> list[str]:
        """Return the status of each check that came to it."""
        return self.lines("/tmp/checks")

    def lines(self, file: str) -> list[str]:
        """Return the lines of a file of its, none where it is not there."""
        return str(self.container.exec_run(["cat", file], stderr=False).output.decode()).splitlines()

    def remove(self) -> None:
        """Remove it."""
        self.container.remove(force=True)


class Balanced:
    """The balancer and its stand-ins."""

    def __init__(self, stack: ProductionStack) -> None:
        self.stack = stack
        self.url = stack.url
        self.replicas: list[StandIn] = []

    @property
    def container(self) -> Container:
        """The balancer's container."""
        return self.stack.containers("balancer")[0]

    def add(self, number: int = 1, *, named: bool = True) -> list[StandIn]:
        """Start more replicas; those that are named get requests when this returns."""
        added = [StandIn(self.stack.project, named=named) for _ in range(number)]
        self.replicas += added
        if named:
            self.wait_until_served(len(self.replicas))
        return added

    def remove(self, replica: StandIn) -> None:
        """Remove a replica."""
        self.replicas.remove(replica)
        replica.remove()

    def wait_until_served(self, number: int, at_most: float = 10) -> float:
        """Return the seconds until so many replicas are in the balancer's turn, by its own table."""
        return wait_until(
            lambda: self.metric('haproxy_backend_active_servers{proxy="ready"}') == number, at_most=at_most
        )

    def metrics(self) -> str:
        """Return what Prometheus would read, asked from a replica."""
        ask = "import urllib.request as r; print(r.urlopen('http://balancer:8405/metrics', timeout=3).read().decode())"
        return str(self.replicas[0].container.exec_run(["python3", "-c", ask]).output.decode())

    def metric(self, name: str) -> float:
        """Return one figure; -1 where it is not there."""
        lines = [line for line in self.metrics().splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2]) if lines else -1

    def client(self, **options: Any) -> httpx.Client:
        """Return a client."""
        return httpx.Client(base_url=self.url, timeout=10, **options)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Send one GET on a connection of its own."""
        return httpx.get(self.url + path, headers=headers, timeout=10)

    def came(self, request: str) -> int:
        """Return how often the request came to a replica."""
        return sum(replica.requests().count(request) for replica in self.replicas)

    def log(self) -> list[dict[str, Any]]:
        """Return its log's lines on stdout. Raises ValueError where one is not JSON."""
        return [json.loads(line) for line in self.container.logs(stderr=False).splitlines()]

    def line(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the log's line that fits, which may come a moment after the answer."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [line for line in self.log() if condition(line)]
            return bool(found)

        wait_until(look, at_most=5)
        return found[-1]

    def raw(self, *parts: bytes, pause: float = 0, at_most: float = 5) -> tuple[bytes, float]:
        """Send bytes, with a pause between parts; return what comes and the seconds until then.

        That is b"" where the connection is closed. Raises TimeoutError where it is neither, for `at_most` seconds.
        """
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.stack.port), timeout=at_most) as connection:
            for part in parts:
                connection.sendall(part)
                if select.select([connection], [], [], pause)[0]:
                    break
            try:
                came = connection.recv(65536)
            except ConnectionResetError:
                came = b""
            return came, time.monotonic() - began


def assert_problem(answer: httpx.Response, status: int, problem: str) -> dict[str, Any]:
    """Assert that an answer is a problem document of the API's form; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:onestep:problem:{problem}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    if status in {429, 503}:
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    return body


@contextmanager
def balanced(folder: Path, **settings: str) -> Iterator[Balanced]:
    """The balancer with these settings, and no replica yet; everything is removed in the end."""
    with production_stack(folder, up=False, settings=settings) as stack:
        running = Balanced(stack)
        try:
            stack.compose("up", "--detach", "--wait", "--no-deps", "balancer")
            yield running
        finally:
            for replica in list(running.replicas):
                running.remove(replica)
