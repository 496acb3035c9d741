"""`make backup`, `make backups`, `make restore` and what undoes it: what runs in which order.

The work on database and repository is done in the container `backup` (docker/backup); this stops and starts services
around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tools.production.lock import alone
from tools.production.probe import require_answer
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps, say

RESTORED = "onestep_restored"
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
        with stopped(production, steps):
            in_backup(production, "swap")
            try:
                start_again(production, steps)
                with steps.step("Ask for readiness, and the API for an answer"):
                    require_answer(production)
            except BaseException:
                say("What was restored does not serve: going back to the former data.")
                stop_services(production)
                in_backup(production, "swap-back")
                raise
        in_backup(production, "cleanup", "--keep-last")
        steps.summary(
            "Restored. The former database stays: make restore-undo returns to it, make restore-cleanup removes it."
        )


def undo_restore(production: Production) -> None:
    """Return to the database that the last restore replaced. What was written since the restore goes with it."""
    production.require()
    with alone(production):
        steps = Steps()
        with stopped(production, steps):
            in_backup(production, "swap-back")
            start_again(production, steps)
            require_answer(production)
        steps.summary("The former data is back.")


def clean_up(production: Production) -> None:
    """Remove the former databases, and the files that only they name."""
    production.require()
    with alone(production):
        in_backup(production, "cleanup")


def in_backup(production: Production, *arguments: str) -> None:
    """Run a command of the backup container; its words appear as they come. Raises ProductionError where it fails."""
    command = production.command(*JOB, "backup", *arguments, "--words")
    if run(command, env=production.environment()).returncode != 0:
        raise ProductionError(
            ("E079", f"`{arguments[0]}` in the container backup failed.", "Its own words, with their id, are above.")
        )


def migrate_restored(production: Production) -> None:
    """Migrate the restored database. It is no one's yet, so there is nothing to back up before."""
    env = ["--env", f"POSTGRES_DB={RESTORED}", "--env", "MIGRATE_BACKUP_MAX_AGE=0"]
    production.output(*JOB, *env, "migrate", "migrate")


@contextmanager
def stopped(production: Production, steps: Steps) -> Iterator[None]:
    """Stop what uses the database for the block. Where that fails, everything is started again."""
    try:
        with steps.step("Stop the replicas"):
            stop_services(production)
        yield
    except BaseException:
        start_again(production, steps)
        say("Nothing was replaced: the data is that of before, and is served.")
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
