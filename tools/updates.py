"""What is newer than what an image runs: Debian's security updates, and patches of its Python packages.

Both are asked of their own sources when the scan runs, since a vulnerability database may lack something.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping

from tools.packages import normal

NAMES_AND_VERSIONS = (
    "import importlib.metadata, json; "
    "print(json.dumps({it.name: it.version for it in importlib.metadata.distributions() if it.name != 'onestep'}))"
)
# apt's settings: no translations, and a source that does not answer is an error, not a warning.
APT = "apt-get --quiet -o Acquire::Languages=none -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
ASK = f"{APT} -o APT::Update::Error-Mode=any update >&2 && {APT} --simulate dist-upgrade"


class SourceError(Exception):
    """A source of packages did not answer."""


def debian(image: str) -> tuple[list[str], list[str]]:
    """Return the image's pending Debian updates, security updates and others, each as `package old -> new`.

    They are looked up as root in a container that is thrown away. Raises SourceError where the sources do not answer.
    """
    run = ["docker", "run", "--rm", "--pull=never", "--user=0", "--entrypoint=sh", image, "-c", ASK]
    try:
        asked = subprocess.run(run, capture_output=True, text=True, check=False, timeout=180)
    except subprocess.TimeoutExpired as error:
        raise SourceError("no answer within 3 minutes") from error
    if asked.returncode != 0:
        raise SourceError(first_error(asked.stderr))
    security: list[str] = []
    others: list[str] = []
    for name, old, new, origins in re.findall(
        r"^Inst (\S+)(?: \[(\S+)\])? \((\S+) ([^\[)]*)", asked.stdout, re.MULTILINE
    ):
        (security if "security" in origins.lower() else others).append(f"{name} {old or 'not there'} -> {new}")
    return security, others


def installed(image: str) -> dict[str, str]:
    """Return the versions of the Python packages beside OneStep that an image runs, by name. Raises SourceError."""
    run = ["docker", "run", "--rm", "--pull=never", "--network=none", "--entrypoint=python", image]
    asked = subprocess.run([*run, "-I", "-c", NAMES_AND_VERSIONS], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise SourceError(f"the image does not run Python: {asked.stderr.strip()[-200:]}")
    return dict(json.loads(asked.stdout))


def patches(packages: Mapping[str, str]) -> list[str]:
    """Return the packages that have a newer patch of their minor version, each as `package old -> new`.

    `packages` has versions by name. Raises SourceError where the package index does not answer.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    command += ["--only-binary=:all:", "--report=-", *same_minor(packages)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise SourceError(first_error(asked.stderr))
    found = [item["metadata"] for item in json.loads(asked.stdout)["install"]]
    newest = {normal(package["name"]): package["version"] for package in found}
    return [f"{name} {old} -> {newest[normal(name)]}" for name, old in packages.items() if newest[normal(name)] != old]


def first_error(printed: str) -> str:
    """Return the first line in which apt or pip says what went wrong."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["nothing was said"]
    return next((line for line in lines if line.startswith(("E:", "ERROR:"))), lines[-1])[:300]


def same_minor(packages: Mapping[str, str]) -> Iterable[str]:
    """Return requirements that any version of the same major and minor number meets."""
    return [f"{name}=={'.'.join(version.split('.')[:2])}.*" for name, version in packages.items()]
