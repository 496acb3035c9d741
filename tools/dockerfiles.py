"""Rules for Dockerfiles that hadolint does not have, each in words.

python -m tools.dockerfiles FILE...
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

IGNORES = re.compile(r"#\s*hadolint\s+(global\s+)?ignore\s*=\s*(\S+)", re.IGNORECASE)
PRODUCTION = "production"


@dataclass
class Stage:
    """One stage of a build: its name, what it starts from, and its instructions with their lines."""

    name: str
    base: str
    line: int
    instructions: list[tuple[int, str, str]] = field(default_factory=list)

    def last(self, keyword: str) -> str | None:
        """Return the arguments of the last such instruction, or None where there is none."""
        return next((text for _, word, text in reversed(self.instructions) if word == keyword), None)


def main() -> int:
    """Print what is wrong with the files on the command line; return the exit code."""
    problems = [problem for path in sys.argv[1:] for problem in problems_of(Path(path))]
    problems += [
        f"{path} ignores rules for all lines: ignore one beside its line." for path in Path().glob(".hadolint.y*")
    ]
    for problem in problems:
        print(f"Failed: {problem}", file=sys.stderr)
    return 1 if problems else 0


def problems_of(path: Path) -> list[str]:
    """Return what is wrong with one Dockerfile."""
    text = path.read_text()
    arguments, stages = parse(text)
    found = [*problems_of_comments(text), *problems_of_bases(arguments, stages), *problems_of_production(stages)]
    return [f"{path}: {problem}" for problem in found]


def parse(text: str) -> tuple[dict[str, str], list[Stage]]:
    """Return the arguments that stand before all stages, and the stages."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line, word, rest in instructions(text):
        if word == "FROM":
            base, _, name = re.sub(r"--\S+\s+", "", rest).partition(" ")
            stages.append(Stage(name.split()[-1] if name else "", base, line))
        elif stages:
            stages[-1].instructions.append((line, word, rest))
        elif word == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = default.strip("'\"")
    return arguments, stages


def instructions(text: str) -> list[tuple[int, str, str]]:
    """Return each instruction as its first line's number, its word and its arguments; comments are left out."""
    found: list[tuple[int, str, str]] = []
    unfinished = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if not unfinished:
            first = number
        unfinished += line.strip().removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            word, _, rest = unfinished.partition(" ")
            found.append((first, word.upper(), rest.strip()))
            unfinished = ""
    return found


def problems_of_comments(text: str) -> list[str]:
    """Return frontends that would be fetched, and ignored rules without a reason in the comment above them."""
    problems = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if re.match(r"#\s*syntax\s*=", line, re.IGNORECASE):
            problems.append(
                f"line {number} has `# syntax=`: a build would fetch a frontend from a registry. Remove it."
            )
        if re.search(r"#\s*trivy:ignore:", line):
            problems.append(f"line {number} tells trivy to ignore something: that belongs into .trivyignore.yaml.")
        above = lines[number - 2].strip() if number > 1 else ""
        reason = above.startswith("#") and not IGNORES.search(above) and len(above.split()) > 3
        if (ignored := IGNORES.search(line)) and not reason:
            problems.append(f"line {number} ignores {ignored[2]}, and no comment right above it says why.")
    return problems


def problems_of_bases(arguments: dict[str, str], stages: list[Stage]) -> list[str]:
    """Return base images that are not named by a tag, or not in one ARG before the first stage."""
    problems = []
    names: set[str] = set()
    for stage in stages:
        variable = re.fullmatch(r"\$\{?(\w+)\}?", stage.base)
        where = f"line {stage.line} (FROM {stage.base})"
        if variable and variable[1] not in arguments:
            problems.append(f"{where}: there is no ARG {variable[1]} before the first stage.")
        elif not variable and stage.base not in {*names, "scratch"}:
            problems.append(
                f"{where}: name base images in one ARG before the first stage, to change each in one place."
            )
        names.add(stage.name)
    images = [default for name, default in arguments.items() if name.endswith("IMAGE")]
    images += [stage.base for stage in stages if stage.base not in {*names, "scratch"} and "$" not in stage.base]
    for image in images:
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        if tag in {"", "latest"}:
            problems.append(f"the base image {image or 'without a default'} has no tag but `latest`: name a version.")
    twice = {image for image in images if images.count(image) > 1}
    return problems + [f"the base image {image} is named more than once: use one ARG." for image in twice]


def problems_of_production(stages: list[Stage]) -> list[str]:
    """Return what the production stage lacks: a user other than root, and a health check."""
    by_name = {stage.name: stage for stage in stages}
    stage = by_name.get(PRODUCTION)
    if stage is None:
        return [f"there is no stage named {PRODUCTION}."]
    family = [stage]
    while family[-1].base in by_name and by_name[family[-1].base] not in family:
        family.append(by_name[family[-1].base])
    user = next((user for stage in family if (user := stage.last("USER"))), "root")
    problems = []
    if user.partition(":")[0] in {"root", "0"}:
        problems.append(f"the {PRODUCTION} stage runs as root: end it with `USER <number>:0`.")
    elif not user.partition(":")[0].isdigit():
        problems.append(
            f"the {PRODUCTION} stage's USER {user} is a name: a number lets a host see that it is not root."
        )
    check = next((check for stage in family if (check := stage.last("HEALTHCHECK"))), "NONE")
    if check.upper() == "NONE":
        problems.append(f"the {PRODUCTION} stage has no HEALTHCHECK.")
    return problems


if __name__ == "__main__":
    sys.exit(main())
