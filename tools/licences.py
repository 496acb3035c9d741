"""Which licences production's Python packages may have: `[tool.onestep.licences]` in pyproject.toml.

`allowed` lists licences as trivy reports them, each whole: a combination that is new is read by a person once. A
package whose licence is not on the list needs an entry under `exceptions`, with that licence and the reason.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tools.packages import normal

ROOT = Path(__file__).resolve().parent.parent


def policy() -> dict[str, Any]:
    """Return the licences that are allowed, and the exceptions by package."""
    rules: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["onestep"]["licences"]
    return rules


def problem(package: str, named: list[str]) -> str | None:
    """Return why a package may not be used under the licences that it names, or None where it may."""
    rules = policy()
    exception = rules["exceptions"].get(normal(package))
    licence = " AND ".join(named) or "no licence that it names"
    if licence in rules["allowed"] or (exception and exception["licence"] == licence):
        return None
    return (
        f"{package} is under {licence}, which is not on the list of allowed licences (pyproject.toml, "
        "[tool.onestep.licences]): replace it, or add the licence, or an exception with its reason."
    )


def problems_of_policy(packages: set[str]) -> list[str]:
    """Return what is wrong with the exceptions themselves, given all packages of production."""
    problems = []
    for package, exception in policy()["exceptions"].items():
        if len(str(exception.get("reason", "")).split()) < 3:
            problems.append(f"The licence exception for {package} gives no reason.")
        if package not in {normal(name) for name in packages}:
            problems.append(f"The licence exception for {package} is for a package that production does not have.")
    return problems
