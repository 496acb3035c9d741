"""Which replica gets a request, and what happens to requests while replicas come, fail and go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from tests.container.load import Load, Request, send_load
from tests.container.production.balanced import Balanced, StandIn, assert_problem, balanced
from tests.container.stack import wait_until

PLACE_IS_FREE = 'haproxy_server_status{proxy="ready",server="web3",state="MAINT"}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """The balancer before two replicas."""
    with balanced(tmp_path_factory.mktemp("balanced")) as running:
        running.add(2)
        yield running


@pytest.fixture
def balancer(stack: Balanced) -> Iterator[Balanced]:
    """The balancer before the two replicas alone, both ready; what a test adds is removed."""
    yield stack
    for replica in stack.replicas[2:]:
        stack.remove(replica)
    for replica in stack.replicas:
        replica.set("not-ready", on=False)
        replica.set("closed", on=False)
    stack.wait_until_served(2)


@contextmanager
def under_load(balancer: Balanced) -> Iterator[list[Load]]:
    """Eight clients, half of whose requests are writes, while the block runs."""
    over = threading.Event()

    def requests() -> Iterator[Request]:
        number = 0
        while not over.is_set():
            number += 1
            yield Request("POST" if number % 2 else "GET", "/load", {"name": "x"} if number % 2 else None)

    came: list[Load] = []
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(send_load, balancer.url, requests(), clients=8)
        try:
            yield came
        finally:
            over.set()
        came.append(load.result())


def has_checked(replica: StandIn, times: int) -> bool:
    """Return whether so many checks came to a replica."""
    return len(replica.checks()) >= times


def test_new_replica_gets_nothing_before_it_is_ready(balancer: Balanced) -> None:
    """It listens, and DNS names it: until a check has passed it gets no request, however many there are."""
    with under_load(balancer) as came:
        for _ in range(3):
            (new,) = balancer.add(named=False)
            new.set("not-ready", on=True)
            new.name_it()
            wait_until(partial(has_checked, new, 3), at_most=10)
            assert new.requests() == []
            new.set("not-ready", on=False)
            balancer.wait_until_served(3)
            new.set("not-ready", on=True)
            balancer.wait_until_served(2)
            assert new.requests() != []
            balancer.remove(new)
            wait_until(lambda: balancer.metric(PLACE_IS_FREE) == 1, at_most=10)
    assert came[0].statuses == {200: len(came[0].answers)}


def test_replica_that_is_not_ready_gets_nothing_new(balancer: Balanced, figures: dict[str, str]) -> None:
    """From a check on, which comes twice a second; what it has under way is answered."""
    tired = balancer.replicas[0]
    with ThreadPoolExecutor(4) as pool, under_load(balancer) as came:
        slow = [pool.submit(balancer.get, "/slow/2") for _ in range(4)]
        wait_until(lambda: "GET /slow/2" in tired.requests(), at_most=2)
        tired.set("not-ready", on=True)
        seconds = balancer.wait_until_served(1, at_most=5)
        before = tired.requests()
        assert [one.result().status_code for one in slow] == [200] * 4
        assert tired.requests() == before
    assert came[0].statuses == {200: len(came[0].answers)}
    figures["a replica that is not ready is left within"] = f"{seconds:.1f} s"


def test_refused_connection_is_tried_elsewhere(balancer: Balanced) -> None:
    """A replica stops to listen, which no check has found yet: each write comes to the other one, once."""
    for number in range(3):
        balancer.get("/close")
        writes = [Request("POST", f"/write/{number}/{one}", {"name": "x"}) for one in range(20)]
        assert send_load(balancer.url, writes, clients=4).statuses == {200: 20}
        came = [replica.requests() for replica in balancer.replicas]
        written = [[line for line in lines if line.startswith(f"POST /write/{number}/")] for lines in came]
        assert sorted(map(len, written)) == [0, 20]
        assert {len(set(lines)) for lines in written} == {0, 20}
        for replica in balancer.replicas:
            replica.set("closed", on=False)
        balancer.wait_until_served(2)
    tried_again = [line for line in balancer.log() if line.get("retries", "0") != "0"]
    assert len(tried_again) >= 3


def test_without_a_ready_replica_one_that_is_alive_answers(balancer: Balanced) -> None:
    """In its own words: the stand-in's 200 here, the API's 503 with a real one (test_balancer.py)."""
    for replica in balancer.replicas:
        replica.set("not-ready", on=True)
    balancer.wait_until_served(0)
    assert balancer.get("/alive").json()["verb"] == "GET"
    balancer.replicas[0].set("closed", on=True)
    assert [balancer.get("/alive").status_code for _ in range(6)] == [200] * 6


def test_without_any_replica_the_answer_is_the_balancers(balancer: Balanced) -> None:
    for replica in balancer.replicas:
        replica.set("closed", on=True)
    balancer.wait_until_served(0)
    for verb in ("GET", "POST"):
        assert_problem(httpx.request(verb, f"{balancer.url}/nobody", timeout=10), 503, "unavailable")
    assert balancer.came("GET /nobody") == balancer.came("POST /nobody") == 0


def test_container_may_do_little(balancer: Balanced) -> None:
    """No root, no capability, nothing to write to; and it is healthy."""
    about = balancer.container.attrs
    limits = about["HostConfig"]
    assert about["State"]["Health"]["Status"] == "healthy"
    assert limits["ReadonlyRootfs"] is True
    assert limits["CapDrop"] == ["ALL"]
    assert limits["Memory"] > 0
    assert limits["PidsLimit"] > 0
    status = balancer.container.exec_run(["cat", "/proc/1/status"]).output.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["99"] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert balancer.container.exec_run(["touch", "/tmp/x"]).exit_code != 0


def test_stop_lets_requests_finish(stack: Balanced) -> None:
    """The last test of this file: a client with requests under way gets each answer, and nobody is killed."""
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(stack.get, "/slow/3?last") for _ in range(4)]
        wait_until(lambda: stack.came("GET /slow/3?last") == 4, at_most=2)
        stack.stack.compose("stop", "balancer")
        assert [one.result().status_code for one in slow] == [200] * 4
    assert stack.container.attrs["State"]["ExitCode"] == 0
