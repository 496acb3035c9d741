"""The sessions of the matrix, by what they need, as nox lists them. The hosted pipeline makes its jobs of this.

    python -m tools.matrix          plain=[...], image=[...] and reports=[...], for $GITHUB_OUTPUT

Run by the interpreter that has nox. Plain sessions need nothing; those with the tag `image` need the image that
`image_build` (tag `build`) has made; those with the tag `reports` need what the others wrote into reports/ as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def main() -> None:
    """Print the groups, each as a line of a name and a JSON list."""
    for name, sessions in groups(listing()).items():
        print(f"{name}={json.dumps(sessions)}")


def listing() -> list[dict[str, Any]]:
    """Return all sessions of the matrix as nox lists them."""
    command = [sys.executable, "-m", "nox", "--tags", "check", "long", "--list", "--json"]
    listed: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return listed


def groups(listed: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the sessions' names by group: `build`, `image`, `reports`, and `plain` for the others."""
    found: dict[str, list[str]] = {"plain": [], "build": [], "image": [], "reports": []}
    for session in listed:
        found[next((group for group in found if group in session["tags"]), "plain")].append(session["session"])
    return found


if __name__ == "__main__":
    main()
