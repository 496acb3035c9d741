"""PID 1 of a serving container: starts nothing, watches the server, passes signals on and reaps.

It runs as a script, on the standard library alone and without importing OneStep, so it takes a few megabytes:
`python -I -S supervisor.py '{"server": PID, "drain_pipe": FD, "drain_seconds": 3, "stop_seconds": 25}'`.
Signals were blocked before the server was started, so none is lost between the two: they are waited for, not handled.

The first SIGTERM, SIGINT or SIGHUP closes the drain pipe, whereupon `/health/ready` answers 503 in every worker; the
server goes on serving for `drain_seconds`, and then gets a SIGTERM. A second one, or SIGQUIT, stops it at once.
SIGUSR1 closes the pipe and does no more: who stops it next can wait until no balancer sends requests any more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import datetime, timezone
from typing import Any

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
PASSED_ON = {signal.SIGTTIN, signal.SIGTTOU}
WATCHED = STOP | PASSED_ON | {signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR1}

# From a quick stop to SIGKILL, in seconds.
QUICK_STOP_SECONDS = 1.0

# Where the kernel counts what it has killed for memory in this container: cgroup v2, v1.
MEMORY_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


class Supervisor:
    """Watches one server process, the leader of its process group, until it has ended."""

    def __init__(self, *, server: int, drain_pipe: int, drain_seconds: float, stop_seconds: float) -> None:
        self.server = server
        self.drain_pipe: int | None = drain_pipe
        self.drain_seconds = drain_seconds
        self.stop_seconds = stop_seconds
        self.stopping = False
        self.memory_kills = count_memory_kills()
        # What is done next if nothing else happens: when (by time.monotonic), and with which signal.
        self.due: tuple[float, signal.Signals] | None = None

    def run(self) -> int:
        """Return the exit status: the server's, 128 + n where signal n ended it, and never 0 where nobody asked."""
        while True:
            status = self.reap()
            if status is not None:
                if self.stopping:
                    say("info", "server_stopped", status=status)
                    return status
                kills = count_memory_kills() - self.memory_kills
                if kills:
                    say("error", "killed_for_memory", id="onestep.E054", processes=kills)
                say("error", "server_died", id="onestep.E052", status=status)
                return status or 1
            if self.due:
                signal.setitimer(signal.ITIMER_REAL, max(0.001, self.due[0] - time.monotonic()))
            caught = signal.sigwait(WATCHED)
            if caught in STOP:
                self.stop(signal.Signals(caught))
            elif caught == signal.SIGUSR1:
                say("info", "withdrawn", signal=signal.Signals(caught).name)
                self.withdraw()
            elif caught in PASSED_ON:
                os.kill(self.server, caught)
            elif caught == signal.SIGALRM and self.due:
                self.escalate(self.due[1])

    def reap(self) -> int | None:
        """Reap what has ended, orphans of others included; return the server's exit status once it has one."""
        result = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return result
            if pid == 0:
                return result
            if pid == self.server:
                code = os.waitstatus_to_exitcode(status)
                result = code if code >= 0 else 128 - code

    def stop(self, caught: signal.Signals) -> None:
        """Begin to drain; stop at once where that was begun before."""
        at_once = self.stopping or caught == signal.SIGQUIT
        self.stopping = True
        if at_once:
            say("warning", "stopping_at_once", signal=caught.name)
            self.escalate(signal.SIGQUIT)
            return
        say("info", "draining", signal=caught.name, seconds=self.drain_seconds)
        self.withdraw()
        self.due = (time.monotonic() + self.drain_seconds, signal.SIGTERM)

    def withdraw(self) -> None:
        """Have `/health/ready` say that it is draining, in every worker."""
        if self.drain_pipe is not None:
            os.close(self.drain_pipe)
            self.drain_pipe = None

    def escalate(self, sent: signal.Signals) -> None:
        """Send the server the signal, and note what follows if it does not end."""
        if sent == signal.SIGKILL:
            say("error", "server_killed", id="onestep.E053")
            os.killpg(self.server, signal.SIGKILL)
            self.due = None
            return
        os.kill(self.server, sent)
        seconds = self.stop_seconds if sent == signal.SIGTERM else QUICK_STOP_SECONDS
        self.due = (time.monotonic() + seconds, signal.SIGKILL)


def count_memory_kills() -> int:
    """Return how many processes the kernel has killed since this container's memory limit was reached; 0 if unknown."""
    for path in MEMORY_EVENTS:
        try:
            with open(path) as lines:  # noqa: PTH123  (pathlib takes memory)
                counts = dict(line.split() for line in lines)
            return int(counts["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0


def say(level: str, event: str, **values: Any) -> None:
    """Write a log line in the form of the others."""
    timestamp = datetime.now(tz=timezone.utc).isoformat().replace("+00:00", "Z")  # noqa: UP017  (one import less)
    line = values | {"event": event, "logger": "onestep.supervisor", "level": level, "timestamp": timestamp}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(Supervisor(**json.loads(sys.argv[1])).run())
