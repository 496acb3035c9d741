"""`make backup`, `make backups`, `make restore` and what undoes it: what runs in which order.

The work on database and repository is done in the container `backup` (docker/backup); this stops and starts services
around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from tools.production.lock import alone
from tools.production.probe import require_answer
from tools.production.replicas import replicas
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps, say

RESTORED = "onestep_restored"
CONFIRMATION = "onestep"
JOB = ("run", "--rm", "--no-deps", "-T")


def back_up(production: Production) -> None:
    """Make a backup now, restore it and compare, and wait for that. Raises ProductionError where it is not good."""
    production.require()
    in_backup(production, "now")


def show_backups(production: Production) -> None:
    """Print the backups, and how the last attempt went."""
    production.require()
    in_backup(production, "list")


def restore(production: Production, snapshot: str = "", confirmation: str = "") -> None:
    """Replace the database by a backup, and bring back the files that it names: a snapshot's id, or `latest`.

    Until all of it is restored beside the live database, and migrated, that serves as before. Raises ProductionError
    where anything fails; the old data is then in place, and served.
    """
    production.require()
    if not snapshot:
        raise ProductionError(
            ("E079", "Which backup?", "make restore SNAPSHOT=latest, or an id that make backups lists.")
        )
    with alone(production):
        if "ONESTEP_IMAGE" not in production.state():
            raise ProductionError(("E079", "Nothing was started here yet.", "make prod-up, then this again."))
        steps = Steps()
        production.output("up", "--detach", "--wait", "--no-recreate", "db")
        with steps.step("Read the backup, and restore it beside the live database"):
            in_backup(production, "prepare", f"--snapshot={snapshot}", f"--confirm={confirmation}")
        with steps.step("Migrate what was restored, with the image that runs"):
            migrate_restored(production)
        former = name_former()
        with without_schedule(production, steps):
            with stopped(production, steps, former):
                try:
                    in_backup(production, "swap", f"--former={former}")
                    start_again(production, steps)
                    with steps.step("Ask for readiness, and the API for an answer"):
                        require_answer(production)
                except BaseException:
                    # Also where the swap itself failed: it may have been broken off when it was done.
                    say("The restore failed: going back to the former data, where it was replaced.")
                    stop_services(production)
                    in_backup(production, "swap-back", f"--former={former}")
                    raise
            in_backup(production, "cleanup", "--keep-last")
        steps.summary(
            "Restored. The former database stays: make restore-undo CONFIRM=onestep returns to it, "
            "make restore-cleanup removes it."
        )


def undo_restore(production: Production, confirmation: str = "") -> None:
    """Return to the database that the last restore replaced. What was written since the restore goes with it.

    Raises ProductionError where there is none, nobody confirmed, or anything fails.
    """
    production.require()
    with alone(production):
        steps = Steps()
        former = in_backup(production, "former", capture=True).strip()
        if confirmation != CONFIRMATION:
            raise ProductionError(
                (
                    "E074",
                    f"{former} would replace the live database, with all that was written since that restore.",
                    f"Nothing was changed. If that is meant: make restore-undo CONFIRM={CONFIRMATION}",
                )
            )
        with without_schedule(production, steps), stopped(production, steps, former):
            in_backup(production, "swap-back", f"--former={former}")
            start_again(production, steps)
            require_answer(production)
        steps.summary(f"The former data is back; what it replaced is kept as {RESTORED} until the next restore.")


def clean_up(production: Production) -> None:
    """Remove the former databases, and the files that only they name."""
    production.require()
    with alone(production):
        in_backup(production, "cleanup")


def in_backup(production: Production, *arguments: str, capture: bool = False) -> str:
    """Run a command of the backup container; its words appear as they come, or are returned with `capture`.

    Raises ProductionError where it fails.
    """
    command = production.command(*JOB, "backup", *arguments, "--words")
    finished = run(command, env=production.environment(), capture=capture)
    if finished.returncode != 0:
        if capture:
            say(finished.stderr.strip(), error=True)
        raise ProductionError(
            ("E079", f"`{arguments[0]}` in the container backup failed.", "Its own words, with their id, are above.")
        )
    return finished.stdout


def name_former() -> str:
    """Return the name that a restore, begun now, gives to the database that it replaces."""
    return f"onestep_former_{datetime.now(UTC):%Y%m%d_%H%M%S}"


def migrate_restored(production: Production) -> None:
    """Migrate the restored database. It is no one's yet, so there is nothing to back up before."""
    env = ["--env", f"POSTGRES_DB={RESTORED}", "--env", "MIGRATE_BACKUP_MAX_AGE=0"]
    production.output(*JOB, *env, "migrate", "migrate")


@contextmanager
def without_schedule(production: Production, steps: Steps) -> Iterator[None]:
    """Have no scheduled backup for the block, and none under way when it begins.

    One would hold the lock for as long as it takes, while nobody is served. What is missed is made up for afterwards.
    """
    scheduled = any(one.running for one in replicas(production, "backup"))
    try:
        if scheduled:
            with steps.step("Stop the schedule of backups"):
                production.output("stop", "backup")
        in_backup(production, "wait")
        yield
    finally:
        if scheduled:
            production.output("up", "--detach", "--no-deps", "--no-recreate", "backup")


@contextmanager
def stopped(production: Production, steps: Steps, former: str) -> Iterator[None]:
    """Stop what uses the database for the block. Where that fails, everything is started again.

    Then it is said which database is live: the block may have been broken off before or after it replaced one.
    """
    try:
        with steps.step("Stop the replicas"):
            stop_services(production)
        yield
    except BaseException:
        try:
            start_again(production, steps)
        finally:
            with suppress(ProductionError):  # its own words say why it cannot tell
                in_backup(production, "live", f"--former={former}")
        raise


def stop_services(production: Production) -> None:
    """Stop the services that go through the pooler, then the pooler: its connections would hold the database."""
    production.output("stop", *pooled(production))
    production.output("stop", "pgbouncer")


def start_again(production: Production, steps: Steps) -> None:
    """Start the pooler and what goes through it; wait until all are healthy."""
    with steps.step("Start the replicas"):
        for services in (["pgbouncer"], pooled(production)):
            production.output("up", "--detach", "--wait", "--no-deps", "--no-recreate", *services)


def pooled(production: Production) -> list[str]:
    """Return the services that use the database through the pooler."""
    services = production.config()["services"]
    return sorted(name for name, one in services.items() if "pgbouncer" in one.get("depends_on", {}))
