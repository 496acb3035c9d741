"""`make prod-status`: each container, the last backup, and in words what is not well. It changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.production.images import outdated
from tools.production.replicas import Replica, replicas
from tools.production.rollout import Rollout
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps, say

COLUMNS = ("CONTAINER", "STATE", "HEALTH", "RESTARTS", "EXIT", "IMAGE", "AGE", "PORTS")
JOBS = ("migrate",)  # they end, and have done their work
# One that was started again within this time may well end again: Docker waits at most a minute between two tries.
LATELY = timedelta(minutes=10)
# Docker counts for as long as the container lives: who ends once a year would be given up after ten.
SEEN_TO = 5
GIVES_UP_AFTER = 10  # restart: on-failure:10 of compose.prod.yml

Problem = tuple[str, str, str]


def show_status(production: Production) -> None:
    """Print what runs. Raises ProductionError, so that the command fails, where anything is not well."""
    production.require()
    services = production.config()["services"]
    found = replicas(production)
    for line in table([COLUMNS, *(row(replica) for replica in found)]):
        say(line)
    backup, faults = last_backup(
        found, int(services.get("backup", {}).get("environment", {}).get("BACKUP_MAX_AGE_HOURS", 26))
    )
    say(f"Last good backup: {backup}")
    problems = [
        *missing(services, found),
        *(problem for replica in found if (problem := fault(replica))),
        *unfinished(production, services),
        *(not_renewed(name) for name in outdated(production, found)),
        *faults,
    ]
    if problems:
        raise ProductionError(*problems)
    say("All is well.")


def row(replica: Replica) -> tuple[str, ...]:
    """Return what is shown of a container."""
    image = f"{replica.version} {replica.image.removeprefix('sha256:')[:12]}".strip()
    running = replica.state == "running"
    return (
        f"{replica.service}-{replica.number}",
        replica.state,
        replica.health if running and replica.health else "-",
        str(replica.restarts),
        "-" if running else str(replica.exit_code),
        image,
        age(replica.started) if running else "-",
        replica.ports or "-",
    )


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in rows]


def age(moment: str) -> str:
    """Return how long ago a moment of Docker or of a backup is, in its largest unit."""
    seconds = max(0, int(since(moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def since(moment: str) -> timedelta:
    """Return how long ago a moment is, which is in UTC; fractions of a second are left out."""
    return datetime.now(UTC) - datetime.fromisoformat(moment[:19]).replace(tzinfo=UTC)


def missing(services: dict[str, Any], found: list[Replica]) -> list[Problem]:
    """Return the services of which fewer containers are there than there should be."""
    problems = []
    for name, service in services.items():
        wanted = int(service.get("deploy", {}).get("replicas", 1))
        there = sum(replica.service == name for replica in found)
        if there < wanted:
            what = f"{name} has {there} of {wanted} containers." if there else f"{name} does not run."
            problems.append(("E102", what, "make prod-up starts what is missing."))
    return problems


def fault(replica: Replica) -> Problem | None:
    """Return what is wrong with a container."""
    if replica.restarts and (found := restarted(replica)):
        return found
    name = f"{replica.service}-{replica.number}"
    if replica.state != "running" and not (replica.service in JOBS and replica.exit_code == 0):
        said = f": {replica.error}" if replica.error else ""
        what = f"{name} is {replica.state}, with exit status {replica.exit_code}{said}."
        return "E101", what, f"{last_words(replica)}. Then make prod-up."
    if replica.health == "unhealthy":
        return (
            "E101",
            f"{name} runs, and is not healthy.",
            f"{last_words(replica)}. make prod-up replaces a replica.",
        )
    return None


def restarted(replica: Replica) -> Problem | None:
    """Return what is wrong with a container that Docker has started again, but for once or so long ago."""
    name, number = f"{replica.service}-{replica.number}", replica.restarts
    why = "its memory was used up" if replica.killed_for_memory else f"lastly with exit status {replica.exit_code}"
    todo = last_words(replica)
    if replica.state == "exited" and number >= GIVES_UP_AFTER:
        what = f"was given up: it ended {number} times, {why}."
        todo += ". Then make prod-up."
    elif replica.state == "restarting":
        what = f"keeps ending: {number} of {GIVES_UP_AFTER} times so far, {why}."
    elif replica.state == "running" and since(replica.started) < LATELY:
        what = f"keeps ending: {number} of {GIVES_UP_AFTER} times so far."  # Docker has forgotten how
    elif replica.state == "running" and number >= SEEN_TO:
        what = f"was started again {number} times, and will not be after {GIVES_UP_AFTER}."
        todo += f". make prod-compose RUN='restart {replica.service}' counts anew."
    else:
        return None
    return "E100", f"{name} {what}", todo


def last_words(replica: Replica) -> str:
    """Return where to read why a container ended."""
    return f"Its last words: docker logs --tail=30 {replica.name}"


def unfinished(production: Production, services: dict[str, Any]) -> list[Problem]:
    """Return whether replicas run that a rollout would replace: one was interrupted, or settings have changed."""
    image = production.state().get("ONESTEP_IMAGE")
    if not image:
        return []
    number = int(services["web"]["deploy"]["replicas"])
    rollout = Rollout(production, Steps(), image=image, number=number)
    old = [f"web-{replica.number}" for replica in replicas(production, "web") if not rollout.is_current(replica)]
    if not old:
        return []
    what = f"{', '.join(old)}: of another image, or with other settings than those of today."
    return [("E103", what, "make prod-up replaces them and drops no request.")]


def not_renewed(name: str) -> Problem:
    """Return that a container runs an older image than the one that was built for it."""
    return "E103", f"{name}: of an older image than the one that was built.", "make prod-up renews it."


def last_backup(found: list[Replica], at_most_hours: int) -> tuple[str, list[Problem]]:
    """Return the last good backup in words, and what is wrong, from a container that has the backups' status."""
    for replica in found:
        path = {"backup": "/state/status.json", "web": "/run/backup/status.json"}.get(replica.service)
        if path and replica.state == "running":
            done = run(["docker", "exec", replica.id, "cat", path], capture=True)
            if done.returncode == 0:
                return judge_backup(json.loads(done.stdout), at_most_hours)
    return "none", [("E104", "No backup was made yet.", "make backup makes one.")]


def judge_backup(status: dict[str, Any], at_most_hours: int) -> tuple[str, list[Problem]]:
    """Return the last good backup in words, and what is wrong: none, one too old, or a last attempt that failed."""
    good, attempt = status["last_good"], status["last_attempt"]
    words = f"{age(good['at'])} ago, {good['bytes'] / 1e6:.1f} MB, snapshot {good['snapshot']}" if good else "none"
    problems: list[Problem] = []
    if attempt["outcome"] != "ok":
        what = f"The backup of {age(attempt['at'])} ago failed: {attempt['id'] or ''} {attempt['detail'] or ''}"
        problems.append(("E104", what.strip(), "Mend that, then make backup."))
    if not good or since(good["at"]) > timedelta(hours=at_most_hours):
        what = f"The last good backup is older than {at_most_hours} hours." if good else "There is no good backup."
        problems.append(("E104", what, "make backup makes one."))
    return words, problems
