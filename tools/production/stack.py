"""The stack as the operator's folder describes it, and the one way in which the tools speak to Compose."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.production.backup_files import backup_file_problems
from tools.production.ending import drop_lost_outputs, interruption_put_off
from tools.production.tls import tls_problems

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = CHECKOUT / "compose.prod.yml"
SECRETS = (
    "secret_key",
    "db_superuser_password",
    "db_owner_password",
    "db_password",
    "backup_password",
    "pgbouncer_stats_password",
    "grafana_password",
)
# An entry of an env file as Compose reads it; what stands in quotes may go over several lines.
ENTRY = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*[=:][ \t]*"""
    r"""(?:(?P<quote>['"])(?P<quoted>(?:\\[\s\S]|(?!(?P=quote))[^\\])*)(?P=quote)|(?P<plain>.*))""",
    re.MULTILINE,
)


class ProductionError(Exception):
    """What stops a command, in words for who runs it: each problem with an id, what is wrong, and what to do."""

    def __init__(self, *problems: tuple[str, str, str]) -> None:
        lines = [f"onestep.{error_id} {what}\n    {todo}" for error_id, what, todo in problems]
        super().__init__("\n".join(lines))


class Production:
    """The folder with `settings.env` (the operator's), `state.env` (the tools') and `secrets/`, and its stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.settings_file = self.folder / "settings.env"
        self.state_file = self.folder / "state.env"
        self.secrets = self.folder / "secrets"

    def command(self, *arguments: str) -> list[str]:
        """Return the `docker compose` command with the files of this stack; what is in the state counts last."""
        files = [file for file in (self.settings_file, self.state_file) if file.exists()]
        return [
            "docker",
            "compose",
            f"--file={COMPOSE_FILE}",
            *(f"--env-file={file}" for file in files),
            *arguments,
        ]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment, with the folder where Compose looks for the secrets, the state, and `env`.

        To Compose a shell's variable counts more than a file's: an ONESTEP_IMAGE there must not deploy another image.
        """
        return {**os.environ, **self.state(), "PRODUCTION": str(self.folder), **(env or {})}

    def setting(self, name: str, default: str = "") -> str:
        """Return a setting that the tools read themselves; as for Compose, the shell's counts more than the file's.

        Also where the shell's is empty.
        """
        return os.environ.get(name, read_values(self.settings_file).get(name)) or default

    def compose(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """Run `docker compose`, its output on the terminal. Raises ProductionError where it fails."""
        finished = run(self.command(*arguments), env=self.environment(env))
        if finished.returncode != 0:
            raise ProductionError(
                (
                    "E090",
                    f"`docker compose {' '.join(arguments)}` failed with exit status {finished.returncode}.",
                    "Its own words are above; make prod-status and make prod-logs show more.",
                )
            )

    def output(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Return what `docker compose` prints. Raises ProductionError with its words where it fails."""
        finished = run(self.command(*arguments), env=self.environment(env), capture=True)
        if finished.returncode != 0:
            raise ProductionError(
                (
                    "E090",
                    f"`docker compose {' '.join(arguments)}` failed: {finished.stderr.strip()}",
                    "See make prod-status.",
                )
            )
        return finished.stdout

    def config(self, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return what Compose makes of the file and the values."""
        return dict(json.loads(self.output("config", "--format=json", env=env)))

    def state(self) -> dict[str, str]:
        """Return what the tools noted: ONESTEP_IMAGE, ONESTEP_PREVIOUS_IMAGE, WEB_REPLICAS."""
        return read_values(self.state_file)

    def note(self, **values: str) -> None:
        """Write values into the state, whole or not at all; an empty one is taken out."""
        merged = {name: value for name, value in {**self.state(), **values}.items() if value}
        text = "# Written by the tools: the image that runs, the one before it, and how many replicas.\n"
        text += "".join(f"{name}={value}\n" for name, value in sorted(merged.items()))
        written = self.state_file.with_suffix(".new")
        written.write_text(text)
        written.replace(self.state_file)

    def require(self) -> None:
        """Look at the folder before anything is started. Raises ProductionError with all that is missing at once."""
        problems = []
        if not self.settings_file.exists():
            problems.append(
                ("E091", f"{self.settings_file} is not there.", "make prod-init makes it; fill in what it asks for.")
            )
        elif not read_values(self.settings_file, os.environ).get("ALLOWED_HOSTS"):
            problems.append(
                (
                    "E006",
                    f"ALLOWED_HOSTS is empty in {self.settings_file}.",
                    "Give the names that clients use, separated by commas.",
                )
            )
        for name in SECRETS:
            file = self.secrets / name
            try:
                filled = file.read_text().strip() != ""
            except OSError as error:
                problems.append(
                    (
                        "E092",
                        f"The secret {file} cannot be read: {error.strerror}.",
                        "make prod-init makes what is missing.",
                    )
                )
            else:
                if not filled:
                    problems.append(
                        ("E092", f"The secret {file} is empty.", "Remove it, and make prod-init makes one.")
                    )
        problems += tls_problems(self.setting, CHECKOUT)
        problems += backup_file_problems(self.setting, CHECKOUT)
        if problems:
            raise ProductionError(*problems)


def run(
    command: list[str], *, env: Mapping[str, str] | None = None, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command, whatever comes of it. Where this tool is interrupted, the command is ended and waited for.

    The lock of `tools.production.lock` is left to it: a command that outlives this tool keeps others out. It has a
    session of its own: Ctrl-C and the end of a terminal reach this tool alone, so that they break off no cleaning up.
    """
    drop_lost_outputs()
    output = subprocess.PIPE if capture else None
    with (
        interruption_put_off() as let_through,  # else it might hit a process that has begun, and that nobody knows yet
        subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            close_fds=False,
            start_new_session=True,
        ) as process,
    ):
        try:
            let_through()
            out, err = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def read_values(file: Path, over: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the NAME=value entries of an env file as Compose reads them; what `over` has counts more, as for Compose.

    A comment begins at ` #`, or after the closing quote. References to variables, and escapes such as `\\n`, stay as
    they are written.
    """
    text = file.read_text() if file.exists() else ""
    values = {match["name"]: value_of(match) for match in ENTRY.finditer(text)}
    return values | {name: value for name, value in (over or {}).items() if name in values}


def value_of(entry: re.Match[str]) -> str:
    """Return the value of an entry of an env file, without quotes and comment."""
    quote = entry["quote"]
    if not quote:
        return entry["plain"].partition(" #")[0].rstrip()
    escaped = {quote} if quote == "'" else {quote, "\\"}
    return re.sub(r"\\([\s\S])", lambda found: found[1] if found[1] in escaped else found[0], entry["quoted"])
