"""Requests that are under way when containers are stopped by Compose, and not by a rollout, are answered too."""

from __future__ import annotations

import secrets
import time

import docker
import pytest
from docker.models.containers import Container

from tests.container.open_load import Arrival, open_load
from tests.container.production.stack import ProductionStack
from tests.container.production.watching import ended
from tests.container.service import image_id
from tests.container.stack import wait_until

SECONDS = 8.0  # longer than DRAIN_SECONDS, so that gunicorn is stopping meanwhile


@pytest.mark.parametrize("command", [["stop", "web"], ["stop"], ["down"]], ids=" ".join)
def test_request_under_way_is_finished(production: ProductionStack, command: list[str]) -> None:
    """A body is on its way, slowly; nobody is killed, and what was acknowledged is stored."""
    production.make("prod-up")
    headers = production.obtain_headers()
    names = [f"{' '.join(command)} {number}" for number in range(4)]

    def request(number: int) -> Arrival:
        return Arrival("POST", "/api/v1/people/", {"name": names[number], "biography": "x" * 1000}, SECONDS)

    began = time.time()
    with open_load(production.url, request, per_second=10, at_most=len(names), headers=headers) as load:
        wait_until(lambda: load.sent == len(names), at_most=10)
        production.compose(*command)
    assert [outcome.status for outcome in load.outcomes] == [201] * len(names), load.explain()
    assert ended(production, since=began) == []
    production.make("prod-up")
    stored = production.sql(f"SELECT name FROM people_person WHERE name LIKE '{' '.join(command)} _' ORDER BY name")
    assert stored.splitlines() == names


def test_quiesced_service_takes_nothing_and_serves_again(production: ProductionStack) -> None:
    """The balancer says so, and the database runs on for a backup."""
    production.make("prod-up")
    with production.client() as client:
        production.make("prod-quiesce")
        answer = client.post("/api/v1/people/", json={"name": "Too late"})
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:onestep:problem:unavailable"
    left = {one.labels["com.docker.compose.service"] for one in running(production)}
    assert left == {"backup", "balancer", "db"}
    production.make("prod-up")
    with production.client() as client:
        assert client.post("/api/v1/people/", json={"name": "In time"}).status_code == 201


def running(stack: ProductionStack) -> list[Container]:
    """Return the stack's containers that run."""
    ours = {"label": f"com.docker.compose.project={stack.project}"}
    return list(docker.from_env().containers.list(filters=ours))


def test_container_that_is_starting_can_be_stopped() -> None:
    """At once after its start, with the `init` of compose.prod.yml: it does not wait to be killed."""
    engine = docker.from_env()
    environment = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "a.example",
        "POSTGRES_PASSWORD": "p",
        "DB_HOST": "127.0.0.1",
    }
    container = engine.containers.run(image_id(), detach=True, environment=environment, network_mode="none", init=True)
    try:
        wait_until(lambda: engine.containers.get(container.id).status == "running", at_most=20)
        container.stop(timeout=30)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 128 + 15, container.logs().decode()
    finally:
        container.remove(force=True)
        engine.close()
