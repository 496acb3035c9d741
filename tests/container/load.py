"""Load: a few clients that send requests one after the other, each on a connection that it keeps, and what came of it.

    result = send_load(web.url, [Request("GET", "/api/v1/people/")] * 500, clients=8, headers=headers)
    result.per_second, result.median, result.slowest

It uses the standard library alone, and goes to 127.0.0.1 only. How much is sent is bounded by the requests given.
"""

from __future__ import annotations

import http.client
import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
LONGEST_SECONDS = 30.0  # without an answer for so long, a request has failed


@dataclass(frozen=True)
class Request:
    """One request; `body` is sent as JSON, or as it is where it is bytes."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a request got, in `seconds` from when it was sent (`at`, in the clock of `time.monotonic`).

    `status` is 0 where there was no answer, and `body` then says why. Of a plain 200 only the size is kept.
    """

    request: Request
    at: float
    seconds: float
    status: int
    size: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Load:
    """All answers, and the seconds that they took together."""

    answers: list[Answer]
    seconds: float

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers had which status."""
        return dict(Counter(answer.status for answer in self.answers))

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds

    @property
    def median(self) -> float:
        """The median of the answers' times, in seconds."""
        return statistics.median(answer.seconds for answer in self.answers)

    @property
    def p95(self) -> float:
        """The time that 95 of 100 answers stay within, in seconds."""
        return sorted(answer.seconds for answer in self.answers)[len(self.answers) * 95 // 100]

    @property
    def slowest(self) -> float:
        """The longest time, in seconds."""
        return max(answer.seconds for answer in self.answers)

    def __str__(self) -> str:
        return (
            f"{self.per_second:,.0f} requests/s, p50 {self.median * 1000:.1f} ms, "
            f"p95 {self.p95 * 1000:.1f} ms, slowest {self.slowest * 1000:.0f} ms"
        )


class Client:
    """One client with a connection of its own, which it opens anew after a failure."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(url)
        assert address.hostname == "127.0.0.1", "load goes to this machine alone"
        self.connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=LONGEST_SECONDS)
        self.headers = headers

    def send(self, request: Request) -> Answer:
        """Send one request and read the whole answer. It is never repeated."""
        body = request.body if isinstance(request.body, bytes | None) else json.dumps(request.body)
        headers = {**self.headers, **({"Content-Type": "application/json"} if body else {}), **request.headers}
        at = time.monotonic()
        try:
            self.connection.request(request.method, request.path, body, headers)
            response = self.connection.getresponse()
            read = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return Answer(request, at, time.monotonic() - at, 0, 0, repr(error).encode(), {})
        seconds = time.monotonic() - at
        kept = b"" if response.status == http.client.OK else read
        return Answer(request, at, seconds, response.status, len(read), kept, title_case(response.getheaders()))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def title_case(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by names in one form (Content-Type): a proxy writes them as it likes."""
    return {name.title(): value for name, value in headers}


def send_load(
    url: str,
    requests: Iterable[Request],
    *,
    clients: int = 8,
    headers: Mapping[str, str] | None = None,
    seen: Callable[[Answer], object] = lambda answer: None,
) -> Load:
    """Send all requests, taken one by one by whichever client is free, and return once the last is answered.

    Each answer is given to `seen` as it comes.
    """
    waiting = iter(requests)
    taking = threading.Lock()

    def take() -> Iterator[Request]:
        while True:
            with taking:
                request = next(waiting, None)
            if request is None:
                return
            yield request

    def work(_: int) -> list[Answer]:
        client = Client(url, headers or {})
        answers = []
        try:
            for request in take():
                answers.append(client.send(request))
                seen(answers[-1])
        finally:
            client.close()
        return answers

    began = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answers = list(itertools.chain.from_iterable(pool.map(work, range(clients))))
    return Load(sorted(answers, key=lambda answer: answer.at), time.monotonic() - began)


@contextmanager
def sampled(take: Callable[[], T], *, pause: float = 0.0) -> Iterator[list[T]]:
    """Take samples in a thread of its own while the block runs, one more at its end; yield the list of them.

    What taking one raises is raised at the end.
    """
    samples: list[T] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            samples.append(take())
            over.wait(pause)
        samples.append(take())

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield samples
        finally:
            over.set()
        working.result()
