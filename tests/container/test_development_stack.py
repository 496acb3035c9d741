"""What a person gets from `docker compose up` on a fresh clone, seen from the outside."""

from __future__ import annotations

import json
from collections.abc import Iterator

import docker
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.container.pages import private_page
from tests.container.stack import ADMIN, PASSWORD, Stack, wait_until


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page that reaches the stack and nothing else."""
    with private_page(browser, stack.url) as page:
        yield page


def test_stack_is_ready_in_time(stack: Stack, measured: dict[str, float]) -> None:
    """`docker compose up --wait`, with built images and empty volumes."""
    assert measured["docker compose up --wait, empty volumes"] <= 15
    assert stack.get("/health/ready").json()["status"] == "ok"


def test_sample_data_is_served_through_the_api(stack: Stack) -> None:
    with stack.client() as client:
        answer = client.get("/api/v1/initiatives/", params={"count": "true"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["count"] == 300
    assert answer.json()["results"][0]["name"]


def test_api_refuses_the_anonymous(stack: Stack) -> None:
    answer = stack.get("/api/v1/initiatives/")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_admin_logs_in(page: Page) -> None:
    """The admin's style sheets are there too: without them its header has no colour."""
    page.goto("/admin/")
    page.get_by_label("Username").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Initiatives", exact=True).first).to_be_visible()
    assert (
        page.locator("#header").evaluate("element => getComputedStyle(element).backgroundColor") != "rgba(0, 0, 0, 0)"
    )


def test_docs_are_rendered_without_the_internet(page: Page) -> None:
    page.goto("/api/docs/")
    expect(page.get_by_text("/api/v1/initiatives/", exact=True).first).to_be_visible(timeout=15_000)
    page.goto("/api/redoc/")
    expect(page.get_by_role("heading", name="OneStep API").first).to_be_visible(timeout=15_000)


def test_database_is_not_published(stack: Stack) -> None:
    engine = docker.from_env()
    try:
        bindings = {
            name: engine.containers.get(stack.compose("ps", "--quiet", name).strip()).attrs["HostConfig"][
                "PortBindings"
            ]
            for name in ("db", "web")
        }
    finally:
        engine.close()
    assert bindings == {"db": {}, "web": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]}}


def test_log_is_json_lines(stack: Stack) -> None:
    stack.get("/api/v1/people/")
    log = stack.folder / "logs/onestep.json.log"
    wait_until(lambda: log.stat().st_size > 0, at_most=5)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert all({"event", "level", "timestamp"} <= set(event) for event in events)


def test_nothing_of_ours_runs_as_root(stack: Stack, owner: int) -> None:
    listed = stack.compose("top", "web").splitlines()
    users = {line.split()[0] for line in listed if "runserver" in line and "docker-init" not in line}
    assert users == {str(owner)}, listed
