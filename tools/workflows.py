"""Hold the hosted pipeline to the matrix: it runs each session that nox lists, and nothing that nox does not have.

    python -m tools.workflows LISTING          what `nox --tags check --list --json` prints

What is said of GitHub's syntax and of security is actionlint's and zizmor's.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from tools.matrix import groups

FOLDER = Path(".github")
PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+(\.\d+)*$")


def main() -> int:
    """Print what is wrong; return the exit code."""
    listed = json.loads(Path(sys.argv[1]).read_text())
    files = {path: path.read_text() for path in sorted(FOLDER.rglob("*.yml"))}
    problems = [
        *problems_of_names(listed, files),
        *problems_of_groups(listed, yaml.safe_load(files[FOLDER / "workflows/matrix.yml"])),
        *problems_of_pins(files),
    ]
    for problem in problems:
        print(f"Failed: {problem}", file=sys.stderr)
    return 1 if problems else 0


def problems_of_names(listed: list[dict[str, Any]], files: dict[Path, str]) -> list[str]:
    """Return sessions and tags that a workflow names and nox does not have, and workflows that run other tools."""
    sessions = {session["name"] for session in listed} | {"publish"}  # which is no part of the matrix
    tags = {tag for session in listed for tag in session["tags"]}
    problems = []
    for path, text in files.items():
        problems += [
            f"{path}: nox has no session {name}." for name in set(re.findall(r"nox --session (\w+)", text)) - sessions
        ]
        problems += [
            f"{path}: no session has the tag {name}." for name in set(re.findall(r"nox --tags (\w+)", text)) - tags
        ]
    return problems


def problems_of_groups(listed: list[dict[str, Any]], matrix: dict[str, Any]) -> list[str]:
    """Return groups of sessions that no job runs: each is a job's matrix, as nox lists it, or run by its tag."""
    jobs = matrix["jobs"]
    problems = []
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    if not any("python -m tools.matrix" in command for command in commands):
        problems.append("matrix.yml does not ask nox for the sessions (python -m tools.matrix).")
    for group, sessions in groups(listed).items():
        from_nox = f"${{{{ fromJson(needs.sessions.outputs.{group}) }}}}"
        by_name = [job for job in jobs.values() if job.get("strategy", {}).get("matrix", {}).get("session") == from_nox]
        runs = [step.get("run") for job in by_name for step in job["steps"]]
        if f"nox --tags {group}" not in commands and 'nox --session "$SESSION"' not in runs:
            problems.append(f"matrix.yml does not run {', '.join(sessions)}: no job takes the group {group} from nox.")
    return problems


def problems_of_pins(files: dict[Path, str]) -> list[str]:
    """Return actions that are not pinned by a commit with its version beside it, or by more than one commit."""
    problems = []
    commits: dict[str, set[str]] = {}
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if re.match(r"\s*(- )?uses: (?!\./)", line):
                if found := PINNED.search(line):
                    commits.setdefault(found["action"], set()).add(found["commit"])
                else:
                    problems.append(
                        f"{path}, line {number}: pin the action by its full commit, with `# v1.2.3` after it."
                    )
    return problems + [
        f"{action} is pinned by {len(pins)} commits: use one." for action, pins in commits.items() if len(pins) > 1
    ]


if __name__ == "__main__":
    sys.exit(main())
