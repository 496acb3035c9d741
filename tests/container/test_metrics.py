"""What is observed of production: a real Prometheus asks two replicas of two workers each, with the rest of the stack.

Prometheus is Debian's, with the configuration, the alerts and the dashboard of docker/monitoring; only the interval is
shorter. It is on the network that production's own would be on.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.container.load import Request, sampled, send_load
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.stack import CHECKOUT, wait_until

MONITORING = CHECKOUT / "docker/monitoring"
HERE = Path(__file__).parent / "monitoring"
REPLICAS, WORKERS, THREADS = 2, 2, 2
SETTINGS = {"WEB_REPLICAS": str(REPLICAS), "WEB_WORKERS": str(WORKERS), "WEB_THREADS": str(THREADS)}
LIST = "/api/v1/people/"


class Prometheus:
    """Prometheus on the network of a stack's replicas, and what is asked of it."""

    def __init__(self, container: Container) -> None:
        self.container = container

    def get(self, path: str, **values: str) -> Any:
        """Return what its API answers. Nothing of it is published: it is asked inside its container."""
        url = f"http://127.0.0.1:9090{path}?{urllib.parse.urlencode(values)}"
        code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
        done = self.container.exec_run(["python3", "-c", code, url])
        assert done.exit_code == 0, done.output.decode()
        return json.loads(done.output)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression is at the moment, as labels and value."""
        found = self.get("/api/v1/query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def value(self, expression: str) -> float | None:
        """Return the value of an expression with one result at most."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def targets(self) -> Counter[tuple[str, str]]:
        """Return how many targets there are, by job and health."""
        active = self.get("/api/v1/targets", state="active")["activeTargets"]
        return Counter((target["labels"]["job"], target["health"]) for target in active)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An image with Debian's Prometheus and promtool."""
    engine = docker.from_env()
    name = f"onestep-test-{secrets.token_hex(4)}-prometheus"
    try:
        engine.images.build(path=str(HERE), tag=name, rm=True, forcerm=True)
        yield name
    finally:
        for found in engine.images.list(name=name):
            engine.images.remove(found.tags[0], force=True)
        engine.close()


def promtool(image: str, *arguments: str) -> tuple[int, str]:
    """Run promtool on the configuration; return its exit status and what it says."""
    engine = docker.from_env()
    mounts = {str(MONITORING): {"bind": "/etc/prometheus", "mode": "ro"}, str(HERE): {"bind": "/tests", "mode": "ro"}}
    container = engine.containers.create(
        image, list(arguments), entrypoint="promtool", network_mode="none", volumes=mounts
    )
    try:
        container.start()
        return container.wait(timeout=60)["StatusCode"], container.logs().decode()
    finally:
        container.remove(force=True)
        engine.close()


def test_configuration_and_rules_are_valid(image: str) -> None:
    status, said = promtool(image, "check", "config", "/etc/prometheus/prometheus.yml")
    assert status == 0, said
    assert "SUCCESS: 15 rules found" in said


def test_alerts_are_raised_when_they_should(image: str) -> None:
    """Each alert in a story of its own, and none while all is well."""
    status, said = promtool(image, "test", "rules", "/tests/alerts_test.yml")
    assert status == 0, said
    rules = (MONITORING / "alerts.yml").read_text()
    stories = (HERE / "alerts_test.yml").read_text()
    for name in re.findall(r"- alert: (\w+)", rules):
        assert len(re.findall(rf"alertname: {name}\b", stories)) >= 2, name


@pytest.fixture(scope="module")
def observed(
    request: pytest.FixtureRequest, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProductionStack, Prometheus]]:
    """A production stack that is up, and a Prometheus that has found everything in it."""
    folder = tmp_path_factory.mktemp("metrics")
    failed_before = request.session.testsfailed
    with ExitStack() as last_first:
        stack = last_first.enter_context(production_stack(folder, settings=SETTINGS))
        stack.create_user(*LOGIN)
        engine = docker.from_env()
        last_first.callback(engine.close)
        configuration = (MONITORING / "prometheus.yml").read_text()
        faster = re.sub(r"(scrape_interval|evaluation_interval): 15s", r"\1: 2s", configuration)
        faster = faster.replace("scrape_timeout: 5s", "scrape_timeout: 2s")
        assert faster.count(": 2s") == 3
        (folder / "prometheus.yml").write_text(faster)
        (folder / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text())
        container = engine.containers.create(
            image,
            ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/data"],
            name=f"{stack.project}-prometheus",
            labels={"org.onestep.test": stack.project},
            network=f"{stack.project}_application",
            volumes={
                str(folder / name): {"bind": f"/etc/prometheus/{name}", "mode": "ro"}
                for name in ("prometheus.yml", "alerts.yml")
            },
        )
        last_first.callback(container.remove, force=True, v=True)
        container.start()
        prometheus = Prometheus(container)
        wait_until(lambda: all_found(prometheus), at_most=60)
        yield stack, prometheus
        if request.session.testsfailed > failed_before:
            stack.print_logs()
            print(container.logs(tail=40).decode())  # noqa: T201


def all_found(prometheus: Prometheus) -> bool:
    """Return whether every target was found and answers."""
    try:
        return prometheus.targets() == {("web", "up"): REPLICAS, ("balancer", "up"): 1, ("prometheus", "up"): 1}
    except (AssertionError, ValueError):  # it does not answer yet
        return False


def test_requests_are_counted_exactly(observed: tuple[ProductionStack, Prometheus], figures: dict[str, str]) -> None:
    """1,200 requests through the balancer over four workers: the counters have each, by route, method and status."""
    stack, prometheus = observed
    with stack.client() as client:
        token = str(client.headers["Authorization"])
    counted = 'sum(onestep_requests_total{route!~"/health/.*"})'
    before = settled(prometheus, counted)
    mix = [Request("GET", LIST), Request("GET", f"{LIST}4711/"), Request("GET", "/nowhere/4711"), Request("PUT", LIST)]
    wanted = {"GET 200": 300, "GET 404": 600, "PUT 405": 300}
    load = send_load(stack.url, mix * 300, clients=6, headers={"Authorization": token})
    answered = Counter(f"{answer.request.method} {answer.status}" for answer in load.answers)
    assert answered == wanted
    wait_until(lambda: prometheus.value(counted) == before + 1200, at_most=20)
    assert settled(prometheus, counted) == before + 1200

    def total(**labels: str) -> float | None:
        selector = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        return prometheus.value(f"sum(onestep_requests_total{{{selector}}})")

    assert total(route=LIST, method="GET", status="200") == 300
    assert total(route=LIST, method="PUT", status="405") == 300
    assert total(route=f"{LIST}{{pk}}/", method="GET", status="404") == 300
    assert total(route="unmatched", status="404") == 300
    assert prometheus.value(f'sum(onestep_request_duration_seconds_count{{route="{LIST}"}})') == 600
    each = [value for _, value in prometheus.query(f'sum by (instance) (onestep_requests_total{{route="{LIST}"}})')]
    assert len(each) == REPLICAS
    assert all(each)
    for whose in (
        'frontend_http_responses_total{proxy="web",',
        "server_http_responses_total{",
    ):  # as BalancerErrors asks
        assert (prometheus.value(f'sum(haproxy_{whose} code="4xx"}})') or 0) >= 900
    connections = prometheus.query("onestep_database_connections")
    assert {labels["worker"] for labels, _ in connections} == {str(number) for number in range(WORKERS)}
    assert 0 < sum(value for _, value in connections) <= REPLICAS * WORKERS * THREADS
    figures["requests sent and counted"] = f"1200 and {settled(prometheus, counted) - before:.0f}"


def settled(prometheus: Prometheus, expression: str) -> float:
    """Return a value once each replica was asked again, so that nothing from before is still to come."""
    asked = 'min(timestamp(onestep_ready{job="web"}))'
    now = time.time()
    wait_until(lambda: (prometheus.value(asked) or 0) > now, at_most=20)
    return prometheus.value(expression) or 0.0


def test_dashboard_shows_everything(observed: tuple[ProductionStack, Prometheus]) -> None:
    """Under load, and with a backup made, each query of each panel returns numbers."""
    stack, prometheus = observed
    stack.make("backup")
    dashboard = json.loads((MONITORING / "grafana/dashboards/onestep.json").read_text())
    queries = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    assert len(queries) >= 24
    with stack.client() as client:
        token = str(client.headers["Authorization"])
    silent = set(queries)
    requests = (Request("GET", LIST) for _ in range(3000))

    def look() -> None:
        for name in list(silent):
            found = prometheus.query(queries[name])
            if found and not any(math.isnan(value) for _, value in found):
                silent.discard(name)

    with sampled(look, pause=1):
        assert send_load(stack.url, requests, clients=4, headers={"Authorization": token}).statuses == {200: 3000}
    assert silent == set()
    assert prometheus.value("sum(onestep_ready)") == REPLICAS
    assert prometheus.value("max(onestep_migrations_pending)") == 0
    assert prometheus.value("min(onestep_backup_last_attempt_ok)") == 1
    assert prometheus.value("max(onestep_backup_bytes)") > 1000  # type: ignore[operator]
    assert 0 <= prometheus.value("max(onestep_backup_age_seconds)") < 600  # type: ignore[operator]
    assert prometheus.value('max(onestep_pool_servers{state=~"active|idle"})') > 0  # type: ignore[operator]
    assert [labels["version"] for labels, _ in prometheus.query("count by (version) (onestep_build_info)")] == ["0.1.0"]
    assert {labels["revision"] for labels, _ in prometheus.query("onestep_build_info")} != {"unknown"}


def test_metrics_stay_inside(observed: tuple[ProductionStack, Prometheus]) -> None:
    """The balancer does not pass them on, and no container publishes their port."""
    stack, _ = observed
    with stack.client() as client:
        assert client.get("/metrics").status_code == 404
    for web in stack.containers("web"):
        assert not any((web.attrs["NetworkSettings"]["Ports"] or {}).values())


def test_one_id_from_balancer_to_statement(observed: tuple[ProductionStack, Prometheus]) -> None:
    """The id in the answer is the one in the replica's log and in PostgreSQL's, and it is not the client's."""
    stack, _ = observed
    stack.sql("ALTER ROLE onestep SET log_min_duration_statement = 0")
    try:
        # The pool's connections from before keep their settings: each is opened anew.
        stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'onestep'")
        with stack.client() as client:
            answer = client.get(LIST, headers={"X-Request-ID": "forged"})
            assert answer.status_code == 200
    finally:
        stack.sql("ALTER ROLE onestep RESET log_min_duration_statement")
    request_id = answer.headers["X-Request-ID"]
    assert request_id != "forged"
    logs = "".join(web.logs().decode() for web in stack.containers("web"))
    assert f'"request_id": "{request_id}"' in logs
    assert request_id in stack.containers("balancer")[0].logs().decode()
    assert f"/*request_id='{urllib.parse.quote(request_id, safe='')}'*/ SELECT" in (
        stack.containers("db")[0].logs().decode()
    )


def test_scrape_without_database(observed: tuple[ProductionStack, Prometheus], figures: dict[str, str]) -> None:
    """While the database is paused each scrape comes back within two seconds, says so, and all recovers by itself."""
    stack, prometheus = observed
    database = stack.containers("db")[0]
    database.pause()
    try:
        wait_until(lambda: prometheus.value("sum(onestep_ready)") == 0, at_most=30)
        wait_until(lambda: firing(prometheus, "NoReplicaReady"), at_most=60)
        times = [one_scrape(prometheus, web) for web in stack.containers("web") for _ in range(3)]
    finally:
        database.unpause()
    figures["slowest scrape while the database is paused"] = f"{max(times):.2f} s"
    assert max(times) < 2
    wait_until(lambda: prometheus.value("sum(onestep_ready)") == REPLICAS, at_most=60)


def firing(prometheus: Prometheus, alert: str) -> bool:
    """Return whether the alert is raised, and not merely about to be."""
    return prometheus.value(f'ALERTS{{alertname="{alert}", alertstate="firing"}}') == 1


def one_scrape(prometheus: Prometheus, web: Container) -> float:
    """Return the seconds that one scrape of a replica takes, asked from where Prometheus asks."""
    networks = web.attrs["NetworkSettings"]["Networks"]
    address = next(it["IPAddress"] for name, it in networks.items() if name.endswith("_application"))
    code = (
        "import sys, time, urllib.request; began = time.monotonic();"
        "urllib.request.urlopen(sys.argv[1], timeout=10).read(); print(time.monotonic() - began)"
    )
    done = prometheus.container.exec_run(["python3", "-c", code, f"http://{address}:9464/metrics"])
    assert done.exit_code == 0, done.output.decode()
    return float(done.output)
