"""`make drill`: a backup restored into a stack of its own, compared table by table, and asked for an answer.

It reads the repository of the installation, and touches nothing else of it. With DATA_MOUNT the drill's data lies there
too, for that may be encrypted, in a folder of its own that goes with the drill.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from tools.production.backups import in_backup, migrate_restored, name_former
from tools.production.data_mount import VOLUMES, find_data_mount, make_folders
from tools.production.probe import ask, require_answer
from tools.production.stack import CHECKOUT, Production, ProductionError, run
from tools.production.steps import Steps

DRILL_FILE = CHECKOUT / "docker/backup/drill.yml"


class Drill(Production):
    """A second stack beside an installation, with its settings, secrets and images, and a project of its own."""

    def __init__(self, production: Production, mount: Path | None) -> None:
        """`mount` is the installation's DATA_MOUNT, where it has one."""
        super().__init__(production.folder)
        self.data = mount / "drill" if mount else None
        self.of = str(production.config()["name"])
        self.name = f"{self.of}-drill"

    def command(self, *arguments: str) -> list[str]:
        """Return the `docker compose` command for the drill's own project."""
        command = super().command()
        return [*command, f"--file={DRILL_FILE}", f"--project-name={self.name}", *arguments]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment, with the installation whose backups are read; one replica is enough."""
        own = {"DRILL_OF": self.of, "WEB_REPLICAS": "1", "COMPOSE_PROJECT_NAME": self.name}
        if self.data:
            own["DATA_MOUNT"] = str(self.data)  # the live folders are those of the live stack alone
        return {**super().environment(), **own, **(env or {})}

    def remove(self) -> None:
        """Remove the drill's containers, networks, volumes and folder. Raises ProductionError where that stays."""
        run(self.command("down", "--volumes", "--remove-orphans", "--timeout=1"), env=self.environment(), capture=True)
        if self.data and self.data.exists():
            self.remove_folder(self.data)

    def remove_folder(self, folder: Path) -> None:
        """Remove the drill's folder, by the database's image as root: what lies in it is of the containers' users.

        The container gets this folder alone, and removes what a drill makes there.
        """
        image = self.config()["services"]["db"]["image"]
        mount = f"--mount=type=bind,source={folder},target=/drill"
        command = ["docker", "run", "--rm", "--network=none", "--user=0", "--entrypoint=rm", mount, image, "-rf"]
        finished = run([*command, *(f"/drill/{name}" for name in VOLUMES)], capture=True)
        try:
            folder.rmdir()
        except OSError as error:
            what = f"The drill's folder {folder} cannot be removed: {finished.stderr.strip() or error.strerror}."
            raise ProductionError(("E079", what, "Remove it: the data of a backup may be in it.")) from error


def drill(production: Production, snapshot: str = "latest") -> None:
    """Restore a backup into a fresh PostgreSQL, and say what came of it and how long it took.

    Raises ProductionError where anything differs or does not answer. The drill is removed either way.
    """
    production.require()
    rehearsal = Drill(production, find_data_mount(production))
    steps = Steps()
    rehearsal.remove()  # one that was killed
    try:
        if rehearsal.data:
            make_folders(rehearsal.data)
        with steps.step("Start a fresh PostgreSQL"):
            rehearsal.output("up", "--detach", "--wait", "db")
        with steps.step(f"Restore {snapshot} and compare every table"):
            in_backup(rehearsal, "prepare", f"--snapshot={snapshot}", "--table")
        with steps.step("Migrate it with the image that runs"):
            migrate_restored(rehearsal)
        with steps.step("Start a replica on it"):
            in_backup(rehearsal, "swap", f"--former={name_former()}")
            rehearsal.output("up", "--detach", "--wait", "--no-deps", "pgbouncer")
            rehearsal.output("up", "--detach", "--wait", "--no-deps", "web")
        with steps.step("Ask the API"):
            require_answer(rehearsal)
            total = count_initiatives(rehearsal)
    finally:
        rehearsal.remove()
    steps.summary(f"The drill is good: the API has {total:,} initiatives. Nothing of {rehearsal.of} was touched.")


def count_initiatives(rehearsal: Drill) -> int:
    """Return how many initiatives the API counts, asked by a superuser that only the drill has."""
    name, password = f"drill-{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    login = {"DJANGO_SUPERUSER_USERNAME": name, "DJANGO_SUPERUSER_PASSWORD": password}
    env = [word for variable, value in login.items() for word in ("--env", f"{variable}={value}")]
    create = ["onestep", "createsuperuser", "--no-input", "--email=drill@example.org"]
    rehearsal.output("exec", "-T", *env, "web", *create)
    status, body = ask(
        rehearsal, "POST", "/api/v1/auth/token/", body=json.dumps({"username": name, "password": password})
    )
    if status == 200:
        status, body = ask(rehearsal, "GET", "/api/v1/initiatives/?count=true&page_size=1", token=body["access"])
    if status != 200:
        raise ProductionError(("E079", f"The API answers {status}: {body}", "The drill's own logs are gone with it."))
    return int(body["count"])
