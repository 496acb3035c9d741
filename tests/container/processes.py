"""The processes in a web container: what each is, and what it holds."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from docker.models.containers import Container

# Runs in the container, as its user; it leaves out itself, and what ends while it looks.
LIST = """
import json, os
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        command = open(f"/proc/{pid}/cmdline").read().split("\\0")
        status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        continue
    if int(pid) != os.getpid():
        found.append({"pid": int(pid), "parent": int(status["PPid"]), "command": command,
                      "descriptors": descriptors, "threads": int(status["Threads"]),
                      "memory": int(status.get("VmRSS", "0 kB").split()[0]) * 1024})
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Process:
    """One process; `descriptors` and `threads` are numbers, `memory` is what it has in memory, in bytes."""

    pid: int
    parent: int
    command: list[str]
    descriptors: int
    threads: int
    memory: int


def server_processes(container: Container) -> dict[int, Process]:
    """Return PID 1, the server and its workers, by their process id in the container."""
    done = container.exec_run(["python3", "-I", "-S", "-c", LIST])
    assert done.exit_code == 0, done.output.decode()
    every = [Process(**one) for one in json.loads(done.output)]
    return {
        one.pid: one for one in every if one.pid == 1 or (one.parent != 0 and "/opt/onestep/bin/onestep" in one.command)
    }


def wait_until_no_more_is_held(container: Container, at_start: dict[int, Process], *, threads: int) -> None:
    """Wait until they are the processes of the start, each with `threads` threads and connections more at most.

    What each of many requests leaves behind would be hundreds. Raises AssertionError where that is not so soon.
    """
    end = time.monotonic() + 10
    while True:
        now = server_processes(container)
        assert now.keys() == at_start.keys(), f"the processes are others: {list(at_start)} then, {list(now)} now"
        more = [
            f"process {pid}: {one.threads} threads, {one.descriptors} descriptors (first {at_start[pid].descriptors})"
            for pid, one in now.items()
            if one.threads > 1 + threads or one.descriptors > at_start[pid].descriptors + threads
        ]
        if not more:
            return
        assert time.monotonic() < end, f"more is held than {threads} threads need:\n" + "\n".join(more)
        time.sleep(0.1)
