"""trivy, the scanner: the program on PATH, else its official image, pinned. It is given files, never the engine.

Its own variables (`TRIVY_CACHE_DIR`, `TRIVY_SKIP_DB_UPDATE`, `TRIVY_OFFLINE_SCAN` and so on) reach it either way. What
a gate depends on is given as an option, which trivy prefers to a variable.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

IMAGE = "aquasec/trivy:0.76.0"
# 0.69.4 to 0.69.6 were released by an attacker, and nothing older is published any more. 1.0 may change its reports.
OLDEST, BELOW = (0, 70), (1, 0)
SEVERITIES = "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"


class TrivyError(Exception):
    """What keeps trivy from scanning, in words for the person who asked for it."""


@dataclass(frozen=True)
class Trivy:
    """A trivy that can be run on what lies in one folder, where it also writes."""

    command: tuple[str, ...]
    origin: str
    version: str
    cache: Path
    folder: Path

    def run(self, *arguments: str) -> str:
        """Run it in the folder; return what it prints. Raises TrivyError with its last words where it fails."""
        finished = subprocess.run(
            [*self.command, *arguments], cwd=self.folder, env=variables(), capture_output=True, text=True, check=False
        )
        if finished.returncode != 0:
            raise TrivyError(f"trivy {arguments[0]} failed: {last_words(finished.stderr)}")
        return finished.stdout

    def scan(self, kind: str, *arguments: str, report: str, ignore_file: str | None = None) -> dict[str, Any]:
        """Scan, write `report`.json and `report`.sarif into the folder, and return the report. Raises TrivyError.

        The layers' cache is in memory: one on disk is locked by a scan that runs beside this one.
        """
        options = ["--quiet", "--format=json", f"--output={report}.json", f"--severity={SEVERITIES}"]
        options += ["--cache-backend=memory"] if kind != "config" else []
        options += [f"--ignorefile={ignore_file or ''}", "--exit-code=0"]
        self.run(kind, *options, *arguments)
        self.run("convert", "--quiet", "--format=sarif", f"--output={report}.sarif", f"{report}.json")
        found: dict[str, Any] = json.loads((self.folder / f"{report}.json").read_text())
        if found.get("SchemaVersion") != 2:
            raise TrivyError(f"trivy {self.version} writes reports of a form that these checks do not read.")
        return found

    def update_database(self) -> datetime:
        """Bring the vulnerability database up to date, unless the variables say not to; return when it was made.

        Raises TrivyError where there is none afterwards.
        """
        if os.environ.get("TRIVY_SKIP_DB_UPDATE", "").lower() not in {"1", "true"}:
            try:
                self.run("image", "--quiet", "--download-db-only")
            except TrivyError as error:
                raise TrivyError(f"it could not be downloaded. {error}\n{self.how_to_scan_offline()}") from error
        made = json.loads(self.run("version", "--format=json")).get("VulnerabilityDB", {}).get("UpdatedAt")
        if not made:
            raise TrivyError(f"there is none in {self.cache}.\n{self.how_to_scan_offline()}")
        return datetime.fromisoformat(made)

    def how_to_scan_offline(self) -> str:
        """Say what a machine without a way to the database's registry needs."""
        return (
            "To scan offline: where there is a way out, run `trivy image --download-db-only`, and copy the folder `db` "
            f"of its cache into {self.cache}; then set TRIVY_SKIP_DB_UPDATE=true and TRIVY_OFFLINE_SCAN=true here. "
            "TRIVY_DB_REPOSITORY names a mirror, TRIVY_CACHE_DIR another cache."
        )


def find(folder: Path) -> Trivy:
    """Return a trivy for the folder. Raises TrivyError where there is none, or none of a supported version."""
    cache = Path(variables()["TRIVY_CACHE_DIR"])
    program = shutil.which("trivy")
    command: tuple[str, ...]
    if program:
        command, origin = (program,), program
    elif image_is_at_hand():
        cache.mkdir(parents=True, exist_ok=True)
        command, origin = in_container(folder, cache), f"the image {IMAGE}"
    else:
        raise TrivyError(
            "There is no trivy. Either install it, so that it is on PATH (https://trivy.dev/docs/latest/getting-started/"
            f"installation/), or let the Docker engine have its image: docker pull {IMAGE}"
        )
    try:
        said = Trivy(command, origin, "", cache, folder).run("version", "--format=json")
        version = str(json.loads(said)["Version"])
    except (KeyError, ValueError) as error:
        raise TrivyError(f"{origin} does not say its version. Is it trivy?") from error
    if not supported(version):
        raise TrivyError(
            f"{origin} is trivy {version}, which is not supported: these checks read the reports of "
            f"{dotted(OLDEST)} and later, below {dotted(BELOW)}. Install {IMAGE.partition(':')[2]}, or take it off "
            f"PATH to use the image {IMAGE}."
        )
    return Trivy(command, origin, version, cache, folder)


def supported(version: str) -> bool:
    """Return whether these checks work with this version."""
    found = re.match(r"v?(\d+)\.(\d+)\.\d+", version)
    return found is not None and OLDEST <= (int(found[1]), int(found[2])) < BELOW


def image_is_at_hand() -> bool:
    """Return whether the engine has trivy's image, or has just pulled it."""
    try:
        asked = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
        if asked.returncode != 0:
            asked = subprocess.run(["docker", "pull", "--quiet", IMAGE], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return asked.returncode == 0


def in_container(folder: Path, cache: Path) -> tuple[str, ...]:
    """Return the command that runs trivy's image with the folder and the cache, and no privileges."""
    passed = sorted(name for name in variables() if name.startswith("TRIVY_") or name.lower().endswith("_proxy"))
    return (
        *("docker", "run", "--rm", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        f"--user={os.getuid()}:{os.getgid()}",
        *(f"--volume={path}:{path}" for path in (folder, cache)),
        *(f"--env={name}" for name in passed),
        f"--workdir={folder}",
        IMAGE,
    )


def variables() -> dict[str, str]:
    """Return this process's environment with trivy's defaults of ours."""
    home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trivy"
    defaults = {
        "TRIVY_CACHE_DIR": str(home_cache),
        "TRIVY_DISABLE_TELEMETRY": "true",
        "TRIVY_SKIP_VERSION_CHECK": "true",
    }
    return {**defaults, **os.environ}


def last_words(printed: str) -> str:
    """Return what trivy says went wrong, without times and the trace of a crash."""
    lines = printed.splitlines()
    for number, line in enumerate(lines):
        if "\tFATAL\t" in line:
            said = [line.partition("\tFATAL\t")[2], *lines[number + 1 :]]
            return " ".join(" ".join(said).split())[:600]
        if line.startswith(("panic:", "fatal error:", "unexpected fault")):
            return line
    return " ".join(lines[-3:])[:600] or "it said nothing."


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))
