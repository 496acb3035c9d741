"""What a run prints: a line as each step begins, and at the end how long each took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.production.ending import drop_lost_outputs


class Steps:
    """The steps of one run."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.took: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that a step begins, and note how long it took, also where it fails."""
        say(f"{name} …")
        began = time.monotonic()
        try:
            yield
        finally:
            self.took.append((name, time.monotonic() - began))

    def summary(self, outcome: str) -> None:
        """Print the durations, and what came of it."""
        width = max((len(name) for name, _ in self.took), default=0)
        for name, seconds in self.took:
            say(f"  {name:<{width}}  {seconds:6.1f} s")
        say(f"  {'Together':<{width}}  {time.monotonic() - self.began:6.1f} s")
        say(outcome)


def say(line: str, *, error: bool = False) -> None:
    """Print a line now, also where the output is no terminal. Where nobody can read it any more, nothing fails."""
    try:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)
    except OSError:
        drop_lost_outputs()
