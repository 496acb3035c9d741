"""Production's Python packages as poetry.lock has them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Return the versions of all packages that production may install, by name."""
    packages = tomllib.loads((ROOT / "poetry.lock").read_text())["package"]
    return {normal(package["name"]): package["version"] for package in packages if "main" in package["groups"]}


def named() -> set[str]:
    """Return the packages that pyproject.toml names for production."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return {normal(re.split(r"[\s\[(;<>=]", dependency, maxsplit=1)[0]) for dependency in dependencies}
