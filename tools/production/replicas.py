"""The containers of a stack as Docker sees them, and what is asked of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.production.stack import Production, ProductionError, run

# Where the balancer says which servers get requests: docker/balancer/haproxy.cfg.
BALANCER_STATUS = "http://balancer-metrics:8410/;csv"
ASK = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=3).read().decode())"


@dataclass(frozen=True)
class Replica:
    """A container of a service."""

    id: str
    name: str
    service: str
    number: int
    state: str  # Docker's: created, running, restarting, exited, …
    health: str  # healthy, unhealthy, starting, or "" where it has no health check
    restarts: int
    exit_code: int
    error: str
    killed_for_memory: bool
    image: str  # its id
    version: str
    config_hash: str
    environment: dict[str, str]
    addresses: frozenset[str]
    ports: str
    started: str  # ISO 8601
    created: str
    stop_timeout: int  # seconds

    @property
    def running(self) -> bool:
        """Whether its process runs, or is about to be started again by Docker."""
        return self.state in ("running", "restarting", "paused")


def replicas(production: Production, *services: str) -> list[Replica]:
    """Return the containers of the services, or of all, by service and number; those that have ended too."""
    ids = production.output("ps", "--all", "--quiet", *services).split()
    return sorted(inspect(ids), key=lambda replica: (replica.service, replica.number))


def inspect_again(some: Iterable[Replica]) -> list[Replica]:
    """Return the same containers as they are now, without those that have gone."""
    return inspect([replica.id for replica in some])


def inspect(ids: list[str]) -> list[Replica]:
    """Return what Docker says of the services' containers; those of `docker compose run` are left out."""
    if not ids:
        return []
    found = json.loads(run(["docker", "container", "inspect", *ids], capture=True).stdout or "[]")
    return [parse(one) for one in found if one["Config"]["Labels"].get("com.docker.compose.oneoff") != "True"]


def parse(raw: dict[str, Any]) -> Replica:
    """Return a container from the engine's JSON."""
    labels, state = raw["Config"]["Labels"], raw["State"]
    ports = {
        f"{one['HostIp']}:{one['HostPort']}"
        for bound in (raw["NetworkSettings"]["Ports"] or {}).values()
        for one in bound or ()
    }
    return Replica(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        service=labels["com.docker.compose.service"],
        number=int(labels["com.docker.compose.container-number"]),
        state=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        restarts=raw["RestartCount"],
        exit_code=state["ExitCode"],
        error=state["Error"],
        killed_for_memory=state["OOMKilled"],
        image=raw["Image"],
        version=labels.get("org.opencontainers.image.version", ""),
        config_hash=labels["com.docker.compose.config-hash"],
        environment=dict(line.partition("=")[::2] for line in raw["Config"]["Env"] or ()),
        addresses=frozenset(net["IPAddress"] for net in raw["NetworkSettings"]["Networks"].values()),
        ports=", ".join(sorted(ports)),
        started=state["StartedAt"],
        created=raw["Created"],
        stop_timeout=raw["Config"].get("StopTimeout") or 10,
    )


def last_lines(replica: Replica, number: int = 20) -> str:
    """Return the end of a container's log, indented."""
    done = run(["docker", "logs", f"--tail={number}", replica.id], capture=True)
    return "\n".join(f"    {line}" for line in (done.stdout + done.stderr).splitlines())


def is_draining(replica: Replica) -> bool:
    """Return whether it was told to stop, and finishes what it has: a second signal would make it drop that."""
    since = f"--since={replica.stop_timeout + 5}s"
    return '"event": "draining"' in run(["docker", "logs", since, replica.id], capture=True).stdout


def served_by_balancer(asking: Replica) -> set[str]:
    """Return the addresses that the balancer sends requests to, asked from a replica, which has the network and Python.

    Raises ProductionError where the balancer does not answer.
    """
    done = run(["docker", "exec", asking.id, "python3", "-I", "-S", "-c", ASK, BALANCER_STATUS], capture=True)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise ProductionError(
            (
                "E096",
                f"The balancer does not say which replicas it sends requests to: {why}",
                "See make prod-status; make prod-up starts it where it does not run.",
            )
        )
    return up_addresses(done.stdout)


def up_addresses(table: str) -> set[str]:
    """Return from HAProxy's CSV the addresses, without ports, of servers that get requests wherever they are listed."""
    rows = [row for row in csv.DictReader(table.removeprefix("# ").splitlines()) if row.get("addr")]
    without = {row["addr"] for row in rows if not row["status"].startswith("UP") or row["weight"] == "0"}
    return {row["addr"].rpartition(":")[0] for row in rows if row["addr"] not in without}
