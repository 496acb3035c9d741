"""The balancer before real replicas: static files, ids and addresses, an outage of the database, a new replica."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from tests.container.load import Load, Request, send_load
from tests.container.production.balanced import assert_problem
from tests.container.production.stack import ProductionStack
from tests.container.stack import wait_until

SECONDS_UNTIL_SERVING = 2.0  # from when a new replica is healthy, issue 6


@pytest.fixture(scope="module")
def headers(production: ProductionStack) -> dict[str, str]:
    """What proves a client of the API, for the length of this file."""
    return production.obtain_headers()


def events(container: Container) -> list[dict[str, Any]]:
    """Return the lines of a container's log on stdout that are JSON."""
    lines = container.logs(stderr=False).decode().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def finished(production: ProductionStack, request: str) -> list[dict[str, Any]]:
    """Return what all replicas' logs have of a request."""
    lines = [line for web in production.containers("web") for line in events(web)]
    return [line for line in lines if line.get("event") == "request_finished" and line["request"] == request]


@pytest.mark.parametrize("kind", ["css", "js"])
def test_static_files_come_from_the_cache_in_each_clients_form(production: ProductionStack, kind: str) -> None:
    """Each form is asked of a replica once, whoever comes first; nobody gets one that it does not take."""
    page = httpx.get(f"{production.url}/admin/login/").text
    path = re.findall(rf'"(/static/[^"]+\.{kind})"', page)[0]
    accepted = {
        "": None,
        "identity": None,
        "gzip;q=0, br;q=0": None,
        "gzip": "gzip",
        "gzip, br;q=0": "gzip",
        "gzip, deflate, br, zstd": "br",
        "BR": "br",
    }
    bodies = {}
    with httpx.Client(base_url=production.url, headers={"Accept-Encoding": ""}) as client:
        for _ in range(3):
            for accept, form in accepted.items():
                with client.stream("GET", path, headers={"Accept-Encoding": accept}) as answer:
                    body = b"".join(answer.iter_raw())
                assert answer.status_code == 200
                assert answer.headers.get("Content-Encoding") == form, accept
                assert answer.headers["Vary"] == "Accept-Encoding"
                assert answer.headers["Cache-Control"] == "max-age=315360000, public, immutable"
                assert bodies.setdefault(form, body) == body
    assert gzip.decompress(bodies["gzip"]) == bodies[None]
    assert len(bodies["br"]) < len(bodies["gzip"]) < len(bodies[None])
    balancer = production.containers("balancer")[0]
    wait_until(lambda: len([line for line in events(balancer) if line.get("path") == path]) == 21, at_most=5)
    assert len(finished(production, f"GET {path}")) == 3
    assert len([line for line in events(balancer) if line["path"] == path and line["server"] == "<CACHE>"]) == 18


def test_cached_file_has_an_id_of_its_own(production: ProductionStack) -> None:
    page = httpx.get(f"{production.url}/admin/login/").text
    path = re.findall(r'"(/static/[^"]+\.css)"', page)[0]
    ids = [httpx.get(f"{production.url}{path}").headers.get_list("X-Request-ID") for _ in range(3)]
    assert len({one for (one,) in ids}) == 3


def test_id_and_address_are_in_the_apps_log(production: ProductionStack, headers: dict[str, str]) -> None:
    """The id that the balancer made, and the client's address as it saw it, whatever the client says."""
    path = "/api/v1/people/?search=logged"
    forged = {"X-Request-ID": "mine", "X-Forwarded-For": "192.0.2.1"}
    answer = httpx.get(production.url + path, headers=headers | forged)
    assert answer.status_code == 200
    wait_until(lambda: len(finished(production, f"GET {path}")) == 1, at_most=5)
    (line,) = finished(production, f"GET {path}")
    balancer = production.containers("balancer")[0]
    gateway = balancer.attrs["NetworkSettings"]["Networks"][f"{production.project}_public"]["Gateway"]
    assert (line["request_id"], line["ip"]) == (answer.headers["X-Request-ID"], gateway)


def test_new_replica_gets_requests_at_once(
    production: ProductionStack, headers: dict[str, str], figures: dict[str, str], measured: dict[str, float]
) -> None:
    """Scaled to 3 and back under load: no request fails, and all three have some within 2 s of being healthy."""
    over = threading.Event()

    def requests() -> Iterator[Request]:
        while not over.is_set():
            yield Request("GET", "/api/v1/people/", headers=headers)
            yield Request("POST", "/api/v1/people/", {"name": "Zoë"}, headers)

    def scale(number: int) -> None:
        production.compose(
            *("up", "--detach", "--wait", "--no-deps", "--no-recreate", f"--scale=web={number}", "web"),
            env={"WEB_REPLICAS": str(number)},
        )

    def work() -> Load:
        return send_load(production.url, requests(), clients=4)

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(work)
        try:
            known = {web.id for web in production.containers("web")}
            scale(3)
            healthy = time.monotonic()
            (new,) = [web for web in production.containers("web") if web.id not in known]
            wait_until(lambda: any(line.get("ip") for line in events(new)), at_most=SECONDS_UNTIL_SERVING)
            measured["from healthy until a new replica has requests"] = time.monotonic() - healthy
            wait_until(lambda: len(events(new)) > 50, at_most=20)
            scale(2)
        finally:
            over.set()
        came = load.result()
    figures["load while scaled from 2 to 3 and back"] = f"{len(came.answers):,} requests, {came}"
    assert set(came.statuses) == {200, 201}, [answer for answer in came.answers if answer.status not in {200, 201}]


def ready_replicas(production: ProductionStack) -> int:
    """Return how many replicas get requests, by the balancer's figures."""
    ask = "import urllib.request as r; print(r.urlopen('http://balancer:8405/metrics', timeout=3).read().decode())"
    asking = next(web for web in production.containers("web") if web.status == "running")
    figures = asking.exec_run(["python3", "-c", ask]).output.decode()
    return int(re.findall(r'haproxy_backend_active_servers{proxy="ready"} (\d+)', figures)[0])


def test_without_the_database_the_apis_own_answer_comes(production: ProductionStack, headers: dict[str, str]) -> None:
    """No replica is ready then: one that is alive says what is wrong, in the API's form. It recovers by itself."""
    database = production.containers("db")[0]
    ask = f"{production.url}/api/v1/people/"
    database.stop(timeout=10)
    try:
        wait_until(lambda: ready_replicas(production) == 0, at_most=20)
        answers = [httpx.get(ask, headers=headers, timeout=20) for _ in range(10)]
    finally:
        database.start()
    for answer in answers:
        assert assert_problem(answer, 503, "unavailable")["detail"].startswith("The database does not answer")
    wait_until(lambda: httpx.get(ask, headers=headers, timeout=20).status_code == 200, at_most=30)


def test_replica_that_hangs_gets_nothing_new(
    production: ProductionStack, headers: dict[str, str], figures: dict[str, str]
) -> None:
    """It accepts connections and says nothing: a check finds that, and `make prod-status` says which one it is."""
    hanging = production.containers("web")[0]
    hanging.pause()
    try:
        # A check comes twice a second, and has 5 s: being ready includes an answer of the database.
        seconds = wait_until(lambda: ready_replicas(production) == 1, at_most=7)
        figures["from when a replica hangs until it gets nothing new"] = f"{seconds:.1f} s"
        load = send_load(production.url, [Request("GET", "/api/v1/people/", headers=headers)] * 100, clients=4)
        status = production.run("make", "prod-status")
    finally:
        hanging.unpause()
    assert load.statuses == {200: 100}
    assert max(answer.seconds for answer in load.answers) < 2
    assert status.returncode != 0
    assert f"onestep.E101 web-{hanging.labels['com.docker.compose.container-number']} is paused" in status.stderr
    wait_until(lambda: ready_replicas(production) == 2, at_most=10)
