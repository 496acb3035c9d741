"""Open-loop load: requests leave at times fixed in advance, however long the answers take.

    with open_load(url, request, per_second=150, at_most=20_000, headers=headers) as load:
        ...
        load.wait_for(10_000)
    load.failures

A closed loop (tests/container/load.py) sends its next request once the last is answered, so it sends least when it goes
worst. Here nobody waits: what a stop of 100 ms would drop was on its way. Each request has a connection of its own, and
goes to 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LONGEST_SECONDS = 40.0  # without an answer for so long, a request has failed
# The balancer keeps a smaller body until it is whole: what is to be slow in a replica is larger, by spaces at its end.
SLOW_BYTES = 64 * 1024
MOST_AT_A_TIME = 1000  # requests under way; more than that, and the service does not carry the load at all


@dataclass(frozen=True)
class Arrival:
    """One request; the body is sent as JSON, and over so many seconds."""

    method: str
    path: str
    body: Any = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What it got, in `seconds` from when it was due (`at`, in the clock of `time.time`).

    `status` is 0 where there was no answer, and `said` then says why.
    """

    number: int
    arrival: Arrival
    at: float
    seconds: float
    status: int
    said: str


@dataclass
class OpenLoad:
    """The load while it runs, and what came of it."""

    host: str
    port: int
    request: Callable[[int], Arrival]
    per_second: float
    at_most: int
    headers: Mapping[str, str]
    sent: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def wait_for(self, number: int, *, at_most: float = 300) -> None:
        """Wait until so many are answered. Raises AssertionError after `at_most` seconds."""
        began = time.monotonic()
        while len(self.outcomes) < number:
            assert self.error is None, self.error
            assert time.monotonic() - began < at_most, f"{len(self.outcomes)} of {number} after {at_most} s"
            time.sleep(0.1)

    @property
    def failures(self) -> list[Outcome]:
        """What was not answered as it should be: by 2xx."""
        return [outcome for outcome in self.outcomes if not 200 <= outcome.status < 300]

    @property
    def acknowledged(self) -> list[Outcome]:
        """The writes that were said to be done."""
        return [outcome for outcome in self.outcomes if outcome.status == 201]

    def __str__(self) -> str:
        quick = [outcome for outcome in self.outcomes if not outcome.arrival.seconds] or self.outcomes
        seconds = sorted(outcome.seconds for outcome in quick)
        last = max(outcome.at for outcome in self.outcomes) - min(outcome.at for outcome in self.outcomes)
        return (
            f"{len(self.outcomes):,} requests ({len(self.acknowledged):,} writes, "
            f"{sum(outcome.arrival.seconds > 0 for outcome in self.outcomes):,} slow) in {last:.0f} s, "
            f"{len(self.failures)} failures, p50 {seconds[len(seconds) // 2] * 1000:.0f} ms, "
            f"p99 {seconds[len(seconds) * 99 // 100] * 1000:.0f} ms, slowest {seconds[-1] * 1000:.0f} ms"
        )

    def explain(self) -> str:
        """Return the failures, counted and the first of them whole."""
        kinds = Counter((one.arrival.method, one.status, one.said[:100]) for one in self.failures)
        return "\n".join([str(self), *map(str, kinds.most_common(10)), *map(str, self.failures[:5])])

    async def run(self) -> None:
        """Send each request when it is due, until told that it is over; then wait for the answers."""
        began, clock = time.monotonic(), time.time()
        under_way: set[asyncio.Task[None]] = set()
        for number in range(self.at_most):
            due = number / self.per_second
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            if self.over.is_set():
                break
            assert len(under_way) < MOST_AT_A_TIME, "the service does not carry the load"
            task = asyncio.create_task(self.send(number, clock + due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def send(self, number: int, at: float) -> None:
        """Send one request, and note what came of it. It is never repeated."""
        arrival = self.request(number)
        try:
            status, said = await asyncio.wait_for(self.exchange(arrival), LONGEST_SECONDS)
        except (OSError, ValueError, EOFError, TimeoutError) as error:
            status, said = 0, repr(error)
        self.outcomes.append(Outcome(number, arrival, at, time.time() - at, status, said))

    async def exchange(self, arrival: Arrival) -> tuple[int, str]:
        """Return the status, and the body of what is no 2xx. Raises OSError, ValueError or EOFError without one."""
        body = json.dumps(arrival.body).encode() if arrival.body is not None else b""
        if arrival.seconds:
            body = body.ljust(SLOW_BYTES)
        lines = [f"{arrival.method} {arrival.path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            self.sent += 1
            if arrival.seconds:
                parts = max(2, round(arrival.seconds))
                for start in range(0, len(body), -(-len(body) // parts)):
                    await asyncio.sleep(arrival.seconds / parts)
                    writer.write(body[start : start - (-len(body) // parts)])
            else:
                writer.write(body)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        version, _, status = head.partition(b"\r\n")[0].partition(b" ")
        if not version.startswith(b"HTTP/"):
            raise EOFError(f"no answer, but {answer[:100]!r}")
        length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if length and len(rest) != int(length[0]):
            raise EOFError(f"{len(rest)} bytes of {int(length[0])}")
        code = int(status.split()[0])
        return code, "" if 200 <= code < 300 else rest.decode(errors="replace")[:500]


@contextmanager
def open_load(
    url: str, request: Callable[[int], Arrival], *, per_second: float, at_most: int, headers: Mapping[str, str]
) -> Iterator[OpenLoad]:
    """Send while the block runs; at its end no more are sent, and all answers are there. Raises what sending raised."""
    address = urlsplit(url)
    assert address.hostname == "127.0.0.1", "load goes to this machine alone"
    load = OpenLoad("127.0.0.1", address.port or 80, request, per_second, at_most, headers)

    def work() -> None:
        try:
            asyncio.run(load.run())
        except BaseException as error:  # noqa: BLE001  (raised below)
            load.error = error

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield load
    finally:
        load.over.set()
        thread.join()
    if load.error:
        raise load.error
