"""Commands that run while a test looks on, and how containers have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import docker

from tests.container.production.stack import ProductionStack
from tests.container.stack import wait_until

# 143 is 128 + SIGTERM: it was told to stop before it served, as it had nothing to finish.
FINE = ("0", "143")


def ended(stack: ProductionStack, *, since: float, broken: str = "") -> list[tuple[str, str]]:
    """Return which replicas have ended since then otherwise than as told, or were sent SIGKILL, and how.

    Those of the image `broken` are left out.
    """
    filters = {
        "label": [f"com.docker.compose.project={stack.project}", "com.docker.compose.service=web"],
        "event": ["die", "kill", "oom"],
    }
    events = docker.from_env().events(since=int(since), until=int(time.time()) + 1, filters=filters, decode=True)
    found = []
    for event in events:
        about = event["Actor"]["Attributes"]
        if about["image"] == broken:
            continue
        if (
            event["Action"] == "oom"
            or about.get("exitCode", "0") not in FINE
            or about.get("signal") in ("9", "SIGKILL")
        ):
            found.append((about["name"], f"{event['Action']} {about.get('exitCode', '')}{about.get('signal', '')}"))
    return found


class Run:
    """A command that runs in a process group of its own, as in a terminal, with what it has printed so far."""

    def __init__(self, stack: ProductionStack, *command: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=stack.checkout,
            env=stack.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reading = threading.Thread(target=self.read)
        self.reading.start()

    def read(self) -> None:
        """Keep what it prints, until the last that it has started has ended."""
        assert self.process.stdout
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)

    @property
    def output(self) -> str:
        """All that it has printed."""
        return "".join(self.lines)

    def wait_for(self, text: str) -> None:
        """Wait until it prints a text. Raises AssertionError where it ends before."""
        wait_until(lambda: text in self.output or self.process.poll() is not None, at_most=120)
        assert text in self.output, self.output

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of it."""
        os.killpg(self.process.pid, number)

    def end(self) -> int:
        """Return its exit status, once it has ended."""
        return self.process.wait(timeout=200)
