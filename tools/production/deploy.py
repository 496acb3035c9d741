"""`make deploy`, `make rollback`, `make scale`: another image, the one before, another number of replicas."""

from __future__ import annotations

import re

from tools.production.backups import back_up
from tools.production.images import build_others, build_web, describe, find_image, image_id, keep, outdated
from tools.production.lock import alone
from tools.production.replicas import replicas
from tools.production.rollout import MOST, Rollout
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps, say

# What gunicorn gets beyond its own time to end: MARGIN_SECONDS in onestep.operations.server.
STOP_MARGIN_SECONDS = 5

# What `onestep migrate` says without one.
WANTS_BACKUP = "onestep.E116"


def deploy(production: Production, image: str = "") -> None:
    """Move the running stack to an image: a local one, one to be pulled, or, without a name, one built from here.

    Raises ProductionError where anything fails; the stack then runs what it ran before.
    """
    production.require()
    require_time_to_stop(production)
    with alone(production):
        require_running(production)
        steps = Steps()
        wanted = find_image(production, steps, image) if image else build_web(production, steps)
        build_others(production, steps)
        running = production.state().get("ONESTEP_IMAGE", "")
        rollout = Rollout(production, steps, image=wanted, number=number_of_replicas(production))
        if wanted == running and rollout.is_done:
            say(f"{describe(wanted)} already runs: nothing to do.")
            return
        say(f"From {describe(running)} to {describe(wanted)}")
        if wanted != running:
            with steps.step("Count the connections while old and new replicas run"):
                require_connections(production, wanted, rollout.number)
            with steps.step("Make a backup, restore it and compare"):
                back_up(production)
            with steps.step("Migrate the database with the new image"):
                migrate(production, wanted)
        replace(production, rollout, steps, wanted)
        steps.summary(f"{describe(wanted)} runs, {rollout.number} times. make rollback returns to {describe(running)}.")
        waiting = outdated(production, replicas(production))
        if waiting:
            say(f"{', '.join(waiting)}: still of an older image. make prod-up renews them, at an hour that you choose.")


def rollback(production: Production) -> None:
    """Return to the image before. No migration is taken back: each release runs on the schema of the next.

    Raises ProductionError where there is none, or it does not become ready.
    """
    production.require()
    with alone(production):
        require_running(production)
        steps = Steps()
        state = production.state()
        wanted = state.get("ONESTEP_PREVIOUS_IMAGE", "")
        if not wanted or not image_id(wanted):
            what = f"The image before, {wanted}, is not here any more." if wanted else "No image ran before this one."
            raise ProductionError(("E094", what, "make deploy IMAGE=… takes any other."))
        say(f"From {describe(state.get('ONESTEP_IMAGE', ''))} back to {describe(wanted)}")
        rollout = Rollout(production, steps, image=wanted, number=number_of_replicas(production))
        replace(production, rollout, steps, wanted)
        steps.summary(f"{describe(wanted)} runs, {rollout.number} times.")


def scale(production: Production, number: str = "") -> None:
    """Run so many replicas, now and from now on. Raises ProductionError where that is no number that can be."""
    if not number.isdecimal() or not 1 <= int(number) <= MOST:
        raise ProductionError(
            ("E098", f"{number or 'Nothing'} is no number of replicas.", f"make scale N=3: 1 to {MOST}.")
        )
    production.require()
    with alone(production):
        require_running(production)
        steps = Steps()
        image = production.state()["ONESTEP_IMAGE"]
        with steps.step("Count the connections of so many, and of as many again while a release is rolled out"):
            require_connections(production, image, int(number))
        rollout = Rollout(production, steps, image=image, number=int(number))
        rollout.run(lambda: production.note(WEB_REPLICAS=number))
        steps.summary(f"{number} replicas serve.")


def replace(production: Production, rollout: Rollout, steps: Steps, image: str) -> None:
    """Roll out an image, note it and the one before, and let the other services that run it follow."""

    def commit() -> None:
        before = production.state().get("ONESTEP_IMAGE", "")
        if before != image:
            production.note(ONESTEP_IMAGE=image, ONESTEP_PREVIOUS_IMAGE=before)
        keep(production)

    rollout.run(commit)
    services = production.config()["services"]
    others = [name for name, one in services.items() if one.get("image") == image and name not in ("web", "migrate")]
    if others:
        with steps.step(f"Renew {', '.join(others)}"):
            production.output("up", "--detach", "--no-deps", "--no-build", *others)


def require_connections(production: Production, image: str, number: int) -> None:
    """Raise ProductionError, with the arithmetic, where the threads of old and new replicas together do not fit.

    The new image counts: its number of threads may be another. One that is older than `onestep budget` is not asked.
    """
    env = production.environment({"ONESTEP_IMAGE": image, "WEB_REPLICAS": str(number)})
    done = run(production.command("run", "--rm", "--no-deps", "-T", "web", "budget"), env=env, capture=True)
    if done.returncode != 0 and "onestep.E12" in done.stderr:
        raise ProductionError(
            (
                "E109",
                f"{number} replicas, with as many new ones beside them, need too many connections.",
                done.stderr.strip(),
            )
        )


def require_time_to_stop(production: Production) -> None:
    """Raise ProductionError where a replica would be killed before it has finished what it may have under way."""
    web = production.config()["services"]["web"]
    needed = sum(int(web["environment"][name]) for name in ("DRAIN_SECONDS", "GRACEFUL_TIMEOUT")) + STOP_MARGIN_SECONDS
    if seconds(web["stop_grace_period"]) < needed:
        what = f"STOP_GRACE_PERIOD={web['stop_grace_period']}: Docker would kill replicas that finish their requests."
        todo = f"Set it to {needed}s or more: DRAIN_SECONDS, GRACEFUL_TIMEOUT, and {STOP_MARGIN_SECONDS} s to end."
        raise ProductionError(("E117", what, todo))


def seconds(duration: str) -> float:
    """Return the seconds of a duration as Compose prints it: 1m30s."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", duration))


def migrate(production: Production, image: str) -> None:
    """Run the migrations of an image, once one that an earlier run has left running has ended.

    Where it has some for a database in use, it asks for a backup of shortly before, which is made then. Raises
    ProductionError with its last lines where they fail; the database is then as it was.
    """
    running = [one.id for one in replicas(production, "migrate") if one.running]
    if running:
        run(["docker", "wait", *running], capture=True)
    status, said = run_migrations(production, image)
    if status != "0" and WANTS_BACKUP in said:
        say("Migrations wait for a backup of the database as it is now.")
        back_up(production)
        status, said = run_migrations(production, image)
    say(said.rstrip())
    if status != "0":
        raise ProductionError(
            (
                "E097",
                f"The migration failed with exit status {status}; what runs was not touched.",
                "Its own words are above.",
            )
        )


def run_migrations(production: Production, image: str) -> tuple[str, str]:
    """Run the service `migrate` once; return its exit status and its last lines."""
    flags = ["--detach", "--no-deps", "--force-recreate", "--no-build"]
    production.output("up", *flags, "migrate", env={"ONESTEP_IMAGE": image})
    job = replicas(production, "migrate")[-1]
    status = run(["docker", "wait", job.id], capture=True).stdout.strip()
    logs = run(["docker", "logs", "--tail=20", job.id], capture=True)
    return status, logs.stdout + logs.stderr


def number_of_replicas(production: Production) -> int:
    """Return how many replicas are wanted."""
    return int(production.config()["services"]["web"]["deploy"]["replicas"])


def require_running(production: Production) -> None:
    """Raise ProductionError where the stack does not run: there is nothing to move."""
    if "ONESTEP_IMAGE" not in production.state() or not any(one.running for one in replicas(production, "web")):
        raise ProductionError(("E099", "Nothing runs here yet.", "make prod-up starts it."))
