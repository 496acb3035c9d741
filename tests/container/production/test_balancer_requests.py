"""What the balancer takes from clients, what it passes on, and what it says and writes of it."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import httpx
import pytest

from tests.container.load import Request, send_load
from tests.container.production.balanced import PROBLEM, Balanced, assert_problem, balanced
from tests.container.stack import wait_until

REQUEST_SECONDS, QUEUE_SECONDS, ANSWER_SECONDS = 2, 1, 5
CONNECTIONS = 20  # from one client address
AT_ONCE = 2  # requests of one replica


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """The balancer with small bounds before two replicas."""
    settings = {
        "REQUEST_SECONDS": str(REQUEST_SECONDS),
        "QUEUE_SECONDS": str(QUEUE_SECONDS),
        "ANSWER_SECONDS": str(ANSWER_SECONDS),
        "CLIENT_CONNECTIONS": str(CONNECTIONS),
        "REPLICA_REQUESTS": str(AT_ONCE),
        "ATTACHMENT_MAX_MEGABYTES": "1",
    }
    with balanced(tmp_path_factory.mktemp("balanced"), **settings) as running:
        running.add(2)
        yield running


def test_client_cannot_say_where_it_comes_from(balancer: Balanced) -> None:
    """Of all headers that proxies write only the balancer's own reach a replica, whatever a client sends."""
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "444",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "for=192.0.2.1;proto=https",
        "X-Real-IP": "192.0.2.1",
        "X_Forwarded_For": "192.0.2.1",  # WSGI has one name for this and the first
        "X-Request-ID": "mine",
    }
    came = balancer.get("/forged", forged).json()["headers"]
    about = [(name, value) for name, value in came if re.match("x.forwarded|forwarded|x.real|x.request", name, re.I)]
    network = balancer.container.attrs["NetworkSettings"]["Networks"][f"{balancer.stack.project}_public"]
    assert sorted(name for name, _ in about) == ["x-forwarded-for", "x-forwarded-proto", "x-request-id"]
    assert dict(about)["x-forwarded-for"] == network["Gateway"]  # as which this machine comes to a container
    assert dict(about)["x-forwarded-proto"] == "http"
    assert "192.0.2.1" not in str(came)


def test_request_id_is_made_by_the_balancer(balancer: Balanced) -> None:
    """The replica, the answer and the log have the same UUID, and not the client's."""
    answer = balancer.get("/named", {"X-Request-ID": "mine"})
    name = answer.headers["X-Request-ID"]
    assert uuid.UUID(name).version == 4
    assert dict(answer.json()["headers"])["x-request-id"] == name
    assert answer.headers.get_list("X-Request-ID") == [name]
    assert balancer.line(lambda line: line["request_id"] == name)["path"] == "/named"


def test_large_body_is_refused(balancer: Balanced) -> None:
    """1 MB more than the largest attachment is taken; one byte more is a 413, and no replica hears of it."""
    limit = 2 * 1024 * 1024
    assert httpx.post(f"{balancer.url}/large", content=b"x" * limit).json()["body"] == limit
    refused = httpx.post(f"{balancer.url}/too-large", content=b"x" * (limit + 1))
    assert assert_problem(refused, 413, "too_large")["limit"] == limit
    assert balancer.came("POST /too-large") == 0


def test_body_of_unknown_length_is_refused(balancer: Balanced) -> None:
    refused = httpx.post(f"{balancer.url}/chunked", content=iter([b"one", b"two"]))
    assert_problem(refused, 411, "length_required")
    assert balancer.came("POST /chunked") == 0


def test_slow_headers_are_not_waited_for(balancer: Balanced) -> None:
    """However regularly another byte comes."""
    headers = [b"GET /slow-headers HTTP/1.1\r\nHost: x\r\n", *[b"X: y\r\n"] * 40]
    answer, seconds = balancer.raw(*headers, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < 40 * 0.1 + 0.5
    assert balancer.came("GET /slow-headers") == 0
    line = balancer.line(lambda line: line["event"] == "connection_failed")
    assert line["ended"] == "cR"


def test_slow_body_holds_no_replica(balancer: Balanced) -> None:
    head = b"POST /slow-body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
    answer, seconds = balancer.raw(head, b"a")
    assert REQUEST_SECONDS <= seconds < REQUEST_SECONDS + 1
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert f"content-type: {PROBLEM}".encode() in answer
    assert b'"type":"urn:onestep:problem:request_timeout"' in answer
    assert balancer.came("POST /slow-body") == 0


def test_connections_of_one_client_are_bounded(balancer: Balanced) -> None:
    """More are answered with 429; more than twice as many are closed. When they have gone all is as before."""
    with ExitStack() as kept:

        def ask(path: str) -> int:
            """Send a request on one more connection, which stays open; return the answer's status."""
            connection = kept.enter_context(closing(HTTPConnection("127.0.0.1", balancer.stack.port, timeout=5)))
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status

        assert {ask("/few") for _ in range(CONNECTIONS)} == {200}
        assert_problem(balancer.get("/one-more"), 429, "too_many_requests")
        assert {ask("/more") for _ in range(CONNECTIONS)} == {429}
        with pytest.raises(ConnectionError):
            ask("/twice")
        assert [balancer.came(f"GET /{path}") for path in ("few", "one-more", "more", "twice")] == [
            CONNECTIONS,
            0,
            0,
            0,
        ]
    wait_until(lambda: balancer.get("/again").status_code == 200, at_most=5)


def test_requests_wait_while_all_replicas_are_busy(balancer: Balanced) -> None:
    """Three times as many as can be under way: none fails, and no replica has more at once than it may."""
    number = 3 * 2 * AT_ONCE
    load = send_load(balancer.url, [Request("GET", "/slow/0.3?waits")] * number, clients=number)
    assert load.statuses == {200: number}
    assert balancer.came("GET /slow/0.3?waits") == number
    assert max(line["milliseconds"]["queue"] for line in balancer.log() if line.get("path") == "/slow/0.3") >= 500


def test_waiting_has_an_end(balancer: Balanced) -> None:
    """Who waited too long gets a 503 in the API's form, and no replica has heard of it."""
    with ThreadPoolExecutor(2 * AT_ONCE + 1) as pool:
        busy = [pool.submit(balancer.get, f"/slow/{ANSWER_SECONDS - 1}") for _ in range(2 * AT_ONCE)]
        wait_until(lambda: balancer.came(f"GET /slow/{ANSWER_SECONDS - 1}") == 2 * AT_ONCE, at_most=2)
        refused = balancer.get("/waits-too-long")
        assert_problem(refused, 503, "unavailable")
        assert QUEUE_SECONDS <= refused.elapsed.total_seconds() < QUEUE_SECONDS + 0.5
        assert [one.result().status_code for one in busy] == [200] * 2 * AT_ONCE
    assert balancer.came("GET /waits-too-long") == 0


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT"])
def test_request_is_never_sent_twice(balancer: Balanced, verb: str) -> None:
    """Where a replica has it and breaks off, nobody knows what it did: the client is told, and no other gets it."""
    answer = httpx.request(verb, f"{balancer.url}/break-off?{verb}", content=b"" if verb == "GET" else b"{}")
    assert_problem(answer, 502, "bad_gateway")
    assert balancer.came(f"{verb} /break-off?{verb}") == 1


def test_slow_answer_is_given_up(balancer: Balanced) -> None:
    answer = httpx.post(f"{balancer.url}/slow/{ANSWER_SECONDS + 1}", content=b"{}", timeout=10)
    assert_problem(answer, 504, "gateway_timeout")
    assert balancer.came(f"POST /slow/{ANSWER_SECONDS + 1}") == 1


STRANGE = [
    b'GET /say"so"\\x/{}[],:\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: "\\',
    b'GET /a HTTP/1.1\r\nHost: "\\x',
    b'GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: "\\\xff\r\nX-Request-ID: "\\\xff',
    b"GET /%00%0a%22%5c%ff?token=s3cret HTTP/1.1\r\nHost: \xff\xfe\x80",
    b"GET /a HTTP/1.1\r\nHost: \xc3\xa9\xf0\x9f\x98\x80\xed\xa0\x80",
    b"GET /" + b'"' * 9000 + b" HTTP/1.1\r\nHost: x",
    b"GET /\x01\x7f HTTP/1.1\r\nHost: x",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x",
    b'"\\\xff\x00',
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20000,
]


@pytest.mark.parametrize("request_bytes", STRANGE)
def test_each_line_of_the_log_is_json(balancer: Balanced, request_bytes: bytes) -> None:
    """Whatever bytes a client sends."""
    before = len(balancer.log())
    balancer.raw(request_bytes + b"\r\nConnection: close\r\n\r\n")
    wait_until(lambda: len(balancer.log()) > before, at_most=5)
    assert json.dumps(balancer.log()[-1]).isascii()


def test_log_has_the_path_as_it_came(balancer: Balanced) -> None:
    path = '/as"it"\\came/%00%22%ff'
    balancer.raw(f"GET {path}?token=s3cret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert balancer.line(lambda line: line.get("path", "").startswith("/as"))["path"] == path


def test_log_holds_no_secret(balancer: Balanced) -> None:
    """Neither what a client proves itself by, nor what stands after the question mark."""
    headers = {"Authorization": "Bearer s3cret-a", "Cookie": "sessionid=s3cret-b", "Referer": "http://x/?s3cret-c"}
    balancer.get("/private?token=s3cret-d", headers)
    line = balancer.line(lambda line: line.get("path") == "/private")
    assert line["method"] == "GET"
    assert line["status"] == 200
    assert "s3cret" not in balancer.container.logs().decode()


def test_figures_are_for_the_replicas_network_alone(balancer: Balanced) -> None:
    """Prometheus finds them there; the published port, and the network that it is published from, do not have them."""
    assert balancer.metric("haproxy_process_uptime_seconds") >= 0
    assert "haproxy" not in balancer.get("/metrics").text
    networks = balancer.container.attrs["NetworkSettings"]["Networks"]
    address = networks[f"{balancer.stack.project}_public"]["IPAddress"]
    curl = subprocess.run(["curl", "--silent", "--max-time", "2", f"http://{address}:8405/metrics"], check=False)
    assert curl.returncode == 7  # refused
    assert list(balancer.container.attrs["HostConfig"]["PortBindings"]) == ["8000/tcp"]
