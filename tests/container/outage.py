"""What clients see while the database is away: traffic that goes on through it, and what its answers must be."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.container.load import Answer, Request, send_load

USUAL_SECONDS = 0.5  # the median answer: a request that finds the outage out takes longer, the others know it


class Traffic:
    """People who are stored and listed, 100 requests a second of 8 clients, until the block ends."""

    def __init__(self, url: str, headers: dict[str, str], *, prefix: str) -> None:
        self.url, self.headers, self.prefix = url, headers, prefix
        self.answers: list[Answer] = []
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Traffic:
        self._working = self._pool.submit(
            send_load, self.url, self._requests(), clients=8, headers=self.headers, seen=self.answers.append
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        with self._pool:
            self._working.result()

    def _requests(self) -> Iterator[Request]:
        for number in itertools.count():
            if self._over.wait(0.01):
                return
            yield Request("POST", "/api/v1/people/", {"name": f"{self.prefix} {number}"})
            yield Request("GET", "/api/v1/people/?page_size=5")

    def with_status(self, status: int) -> list[Answer]:
        """Return the answers so far that had this status."""
        return [answer for answer in list(self.answers) if answer.status == status]

    def acknowledged(self) -> set[str]:
        """Return the ids of those that the service said it had stored."""
        return {str(answer.json()["id"]) for answer in self.with_status(201)}

    def wait_for(self, number: int, status: int, *, at_most: float) -> None:
        """Wait for so many more answers of this status. Raises AssertionError, with what came instead."""
        before = len(self.answers)
        target, end = len(self.with_status(status)) + number, time.monotonic() + at_most
        while len(self.with_status(status)) < target:
            came = dict(Counter(answer.status for answer in self.answers[before:]))
            assert time.monotonic() < end, f"not {number} answers of {status} in {at_most:.0f} s, but by status {came}"
            time.sleep(0.05)


def probe(url: str, path: str) -> Answer:
    """Send one GET on a new connection."""
    return send_load(url, [Request("GET", path)], clients=1).answers[0]


def assert_in_time_and_in_form(refused: list[Answer]) -> None:
    """Every 503 is a problem document that says when to try again, and the usual one comes at once."""
    times = sorted(answer.seconds for answer in refused)
    assert times[len(times) // 2] < USUAL_SECONDS
    assert {answer.headers["Content-Type"] for answer in refused} == {"application/problem+json"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"5"}
    for answer in refused:
        problem = answer.json()
        del problem["request_id"]
        assert problem == {
            "type": "urn:onestep:problem:unavailable",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "The database does not answer at the moment. Try again shortly.",
        }
