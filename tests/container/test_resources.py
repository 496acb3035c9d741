"""What one web container needs, beside what production gives it: memory, processor, file descriptors, connections."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from docker.models.containers import Container

from tests.container.load import Load, Request, sampled, send_load
from tests.container.processes import Process, server_processes, wait_until_no_more_is_held
from tests.container.service import HARDENED, Service, Web
from tests.container.stack import wait_until

LOGIN = ("boss", "correct horse battery staple")
WORKERS, THREADS = 2, 4
MIB = 1024 * 1024

# What docs/operations.md promises of one replica with two workers of four threads. Production gives it 512 MiB and one
# processor (HARDENED), so half of the memory is left for a bad day.
MEMORY_LIMIT = 256 * MIB
PROCESSOR_LIMIT = 1.0
IDLE_PROCESSOR_LIMIT = 0.03
GROWTH_LIMIT = 16 * MIB  # in 3,000 requests: 5 KB a request would be a leak


@pytest.fixture(scope="module")
def web(production: Service) -> Web:
    """One web container of the usual size on sample data, and somebody who may do everything."""
    loaded = production.onestep("load_sample_data", "--force", "--initiatives=300", "--people=120")
    assert loaded.status == 0, loaded.output
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


def everyday(number: int) -> Iterator[Request]:
    """Yield what a day holds: lists small and large, one of each, writes, the schema, files, probes and mistakes."""
    kinds = itertools.cycle(
        [
            Request("GET", "/api/v1/initiatives/"),
            Request("GET", "/api/v1/initiatives/?page_size=100&count=true"),
            Request("GET", "/api/v1/people/?search=a"),
            Request("GET", "/api/v1/groups/"),
            Request("POST", "/api/v1/people/", {"name": "Somebody new"}),
            Request("POST", "/api/v1/people/", {"name": ""}),
            Request("GET", "/api/v1/auth/me/"),
            Request("GET", "/api/v1/people/", headers={"Authorization": "Bearer of.no.use"}),
            Request("GET", "/api/nowhere/"),
            Request("GET", "/nowhere"),
            Request("GET", "/favicon.ico"),
            Request("GET", "/"),
            Request("GET", "/login/"),
            Request("GET", "/health/ready"),
            Request("GET", "/health/live"),
        ]
    )
    for one in range(number):
        # Each of these takes as long as 50 others.
        yield Request("GET", "/api/schema/") if one % 150 == 0 else next(kinds)


def upload(initiative: str, size: int) -> Request:
    """Return the upload of a text file of `size` bytes."""
    head = (
        f'--edge\r\nContent-Disposition: form-data; name="initiative"\r\n\r\n{initiative}\r\n'
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="notes.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    body = head.encode() + b"All is well.\n" * (size // 13) + b"\r\n--edge--\r\n"
    return Request("POST", "/api/v1/attachments/", body, headers={"Content-Type": "multipart/form-data; boundary=edge"})


@dataclass(frozen=True)
class Usage:
    """What a container uses: bytes that cannot be taken from it, seconds of processor so far, and when that was."""

    memory: int
    processor: float
    throttled: float
    at: float


def usage(container: Container) -> Usage:
    """Return what the engine says of a container, with cgroups of version 1 and 2 alike."""
    now: dict[str, Any] = container.stats(stream=False, one_shot=True)
    memory = now["memory_stats"]
    reclaimable = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return Usage(
        memory=memory["usage"] - reclaimable,
        processor=now["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        throttled=now["cpu_stats"]["throttling_data"]["throttled_time"] / 1e9,
        at=time.monotonic(),
    )


def test_memory_and_processor_stay_within_limits(
    production: Service, web: Web, headers: dict[str, str], figures: dict[str, str]
) -> None:
    """Under all that 16 clients can ask of it, uploads of 20 MB among that, and it goes on answering."""
    initiative = production.sql("SELECT min(id) FROM initiatives_initiative")
    uploads = itertools.repeat(upload(initiative, 20_000_000), 8)
    with sampled(lambda: usage(web.container)) as samples:
        load = send_load(web.url, itertools.chain(everyday(1500), uploads), clients=16, headers=headers)
    assert not load.statuses.keys() - {200, 201, 302, 400, 401, 404}, load.statuses
    memory = max(sample.memory for sample in samples)
    first, last = samples[0], samples[-1]
    processor = (last.processor - first.processor) / (last.at - first.at)
    figures["one replica under load"] = (
        f"memory {memory / MIB:.0f} MiB at most (limit {MEMORY_LIMIT / MIB:.0f}), {processor:.2f} processors "
        f"(limit {PROCESSOR_LIMIT:.0f}; held back for {last.throttled - first.throttled:.1f} s); {load}"
    )
    assert memory <= MEMORY_LIMIT
    assert processor <= PROCESSOR_LIMIT * 1.05  # the kernel gives time in pieces
    web.container.reload()
    assert not web.container.attrs["State"]["OOMKilled"]
    assert web.container.attrs["HostConfig"]["Memory"] == 2 * MEMORY_LIMIT
    assert web.container.attrs["HostConfig"]["NanoCpus"] == PROCESSOR_LIMIT * 1e9 == HARDENED["nano_cpus"]


def test_nothing_grows_with_requests(
    production: Service, web: Web, at_start: dict[int, Process], headers: dict[str, str], figures: dict[str, str]
) -> None:
    """After 4,000 requests the processes are those of the start, and hold what their threads need and no more."""
    send_load(web.url, everyday(1000), clients=16, headers=headers)
    before = server_processes(web.container)
    send_load(web.url, everyday(3000), clients=16, headers=headers)
    wait_until_no_more_is_held(web.container, at_start, threads=THREADS)
    after = server_processes(web.container)
    connections = int(production.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'onestep'"))
    grown = sum(one.memory for one in after.values()) - sum(one.memory for one in before.values())
    figures["3,000 requests more"] = (
        f"{sum(one.descriptors for one in before.values())} descriptors before, "
        f"{sum(one.descriptors for one in after.values())} after; {connections} connections; "
        f"memory {grown / MIB:+.1f} MiB"
    )
    assert connections <= WORKERS * THREADS
    assert grown <= GROWTH_LIMIT


def test_idle_service_takes_no_processor(web: Web, figures: dict[str, str]) -> None:
    """Nothing polls: over five seconds without a request, but for Docker's health check."""
    first = usage(web.container)
    time.sleep(5)
    last = usage(web.container)
    processor = (last.processor - first.processor) / (last.at - first.at)
    figures["one idle replica"] = f"{processor:.3f} processors, memory {last.memory / MIB:.0f} MiB"
    assert processor <= IDLE_PROCESSOR_LIMIT


# 50 MB a second, so that PID 1 has the time to write its log.
FILL_MEMORY = """
import time
with open("/tmp/filling", "wb", buffering=0) as filling:
    while True:
        filling.write(bytes(1024 * 1024))
        time.sleep(0.02)
"""


def test_container_killed_for_memory_comes_back_and_says_why(production: Service, figures: dict[str, str]) -> None:
    """Its /tmp, which is in memory, is filled until the limit is reached; the largest process is killed: the server."""
    web = production.start_web(
        tmpfs={"/tmp": "size=512m,mode=1777"},
        mem_limit="192m",
        memswap_limit="192m",
        restart_policy={"Name": "unless-stopped"},
    )[0]
    web.wait_until_ready()
    began = time.time()
    web.container.exec_run(["python3", "-I", "-S", "-c", FILL_MEMORY])
    wait_until(lambda: restarts(web.container) == 1 and web.is_ready(), at_most=30)
    told = {"container": web.container.id, "event": ["oom", "die", "start"]}
    engine = production.engine.events(since=began, until=time.time(), filters=told, decode=True)
    actions = [event["Action"] for event in engine]
    assert actions[0] == "oom", actions
    assert actions[-2:] == ["die", "start"], actions
    said = {event["event"]: event for event in web.events()}
    assert said["killed_for_memory"]["id"] == "onestep.E054"
    assert said["killed_for_memory"]["processes"] >= 1
    assert said["server_died"]["id"] == "onestep.E052"
    figures["killed for memory"] = f"ready again after {time.time() - began:.1f} s"
    web.container.remove(force=True)


def restarts(container: Container) -> int:
    """Return how often the engine has started it again."""
    container.reload()
    return int(container.attrs["RestartCount"])


# --- Static files -----------------------------------------------------------------------------------------------------
STATIC_ROUNDS, STATIC_REQUESTS = 3, 300  # of each kind in each round


def test_static_files_are_faster_than_the_api(web: Web, headers: dict[str, str], figures: dict[str, str]) -> None:
    """A page's own files come from the same processes, beside the API: measured in turns, by 8 clients."""
    page = web.get("/admin/login/").text
    style = re.search(r'href="(/static/[^"]+\.css)"', page)
    docs = re.search(r'src="(/static/[^"]+swagger-ui-bundle[^"]+)"', web.get("/api/docs/").text)
    assert style
    assert docs
    compressed = {"Accept-Encoding": "gzip"}
    kinds = {
        "style sheet": Request("GET", style[1], headers=compressed),
        "script of the API's page": Request("GET", docs[1], headers=compressed),
        "style sheet that the browser has": Request(
            "GET", style[1], headers={**compressed, "If-Modified-Since": web.get(style[1]).headers["Last-Modified"]}
        ),
        "API, list of 20 initiatives": Request("GET", "/api/v1/initiatives/"),
        "API, one initiative": Request("GET", f"/api/v1/initiatives/{first_initiative(web, headers)}/"),
    }
    loads: dict[str, list[Load]] = {kind: [] for kind in kinds}
    for _ in range(STATIC_ROUNDS):
        for kind, request in kinds.items():
            loads[kind].append(send_load(web.url, [request] * STATIC_REQUESTS, clients=8, headers=headers))
    together = {
        kind: Load([answer for load in every for answer in load.answers], sum(load.seconds for load in every))
        for kind, every in loads.items()
    }
    for kind, load in together.items():
        assert len(load.statuses) == len({answer.size for answer in load.answers}) == 1, (kind, load.statuses)
        figures[f"{kind}, {load.answers[0].size / 1024:.0f} KB"] = str(load)
    assert together["style sheet that the browser has"].statuses.keys() == {304}
    assert together["style sheet"].median < together["API, list of 20 initiatives"].median
    assert together["style sheet"].per_second > together["API, list of 20 initiatives"].per_second


def first_initiative(web: Web, headers: dict[str, str]) -> int:
    """Return the id of an initiative."""
    return int(web.get("/api/v1/initiatives/", headers=headers).json()["results"][0]["id"])
