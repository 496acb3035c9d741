"""Every target of the Makefile, and every command that README.md and docs/development.md show, is run by some test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Who runs the targets, by the Makefile's headings: a file, or a folder of files.
TESTED_IN = {
    "": ["tests/container/test_workflow.py"],
    "Containers": ["tests/container/test_workflow.py"],
    "Production on one host (docs/operations.md)": ["tests/container/production"],
    "Without Docker": ["tests/demo"],
    "Checks": ["tests/container/test_workflow.py"],
}
# Who runs what is no target and no session: the file, and what stands in it.
RUN_BY = {
    "docker compose up": ("tests/container/conftest.py", '"docker compose up --wait"'),
    "docker compose exec web onestep makemigrations": (
        "tests/container/test_workflow.py",
        '"docker compose exec web onestep makemigrations"',
    ),
    "docker compose exec web onestep load_sample_data --initiatives 5000 --people 800": (
        "tests/container/test_workflow.py",
        '"docker compose exec web onestep load_sample_data --initiatives 5000 --people 800"',
    ),
    "onestep makemigrations": ("noxfile.py", '"onestep", "makemigrations"'),
    "onestep migrate": ("tests/container/service.py", 'self.onestep("migrate")'),
    "onestep spectacular": ("tests/unit/http/test_describe_documents.py", 'call_command("spectacular"'),
    "python -m tools.migrations --sql": ("tests/unit/operations/test_lint_migrations.py", 'lint(folder, "--sql"'),
    "TOKEN=$(curl": ("tests/container/test_workflow.py", 'r"Ask it something'),
    "curl": ("tests/container/test_workflow.py", 'r"Ask it something'),
}
# Commands of other projects, which hold their own promises.
OTHERS = ("trivy ", "apt-get ", "brew ")


def targets() -> dict[str, str]:
    """Return the heading that each target of the Makefile stands under."""
    heading, found = "", {}
    for line in (ROOT / "Makefile").read_text().splitlines():
        if line.startswith("##@ "):
            heading = line.removeprefix("##@ ")
        elif named := re.match(r"([a-z][a-z-]*):.* ## ", line):
            found[named[1]] = heading
    return found


def words(node: ast.AST) -> list[str]:
    """Return the command line that a node of a test's code has in it, or nothing: a text, a list or a call."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.split() if re.fullmatch(r"make [a-z-]+(?: [A-Z_]+=\S*)*", node.value) else []
    items = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List | ast.Tuple) else []
    texts = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
    return ["make", *texts] if name == "make" else texts


def made_in(path: Path) -> set[str]:
    """Return what is given to make in the files of a path."""
    found = set()
    for file in [path] if path.is_file() else path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            line = words(node)
            if line[:1] == ["make"]:
                found.update(line[1:])
    return found


def commands(page: str) -> Iterator[str]:
    """Yield the commands that a page shows, in blocks and in sentences."""
    text = re.sub(r"\\\n\s+", "", (ROOT / page).read_text())
    for line in re.findall(r"(?m)^ {4}(\S.*)", text):
        yield re.sub(r"^(?:[A-Z_]+=\w+ )+|\s{2,}# .*", "", line)
    yield from re.findall(r"`((?:make|nox|docker|onestep|trivy|apt-get|brew) [^`]+)`", text)


@pytest.mark.parametrize(("target", "heading"), targets().items())
def test_target_is_run(target: str, heading: str) -> None:
    """For real: the named files give it to make."""
    given = set().union(*(made_in(ROOT / path) for path in TESTED_IN[heading]))
    assert target in given, f"make {target} is run by no test in {', '.join(TESTED_IN[heading])}"


@pytest.mark.parametrize("page", ["README.md", "docs/development.md"])
def test_commands_of_a_page_are_run(page: str) -> None:
    sessions = set(
        re.findall(r"(?m)^@nox\.session[^\n]*\n(?:@nox[^\n]*\n)*def (\w+)\(", (ROOT / "noxfile.py").read_text())
    )
    unknown = []
    for command in commands(page):
        tool, *arguments = command.split()
        if command.startswith(OTHERS):
            continue
        if tool == "make":
            known = arguments[0] in targets()
        elif tool == "nox":
            known = arguments[:1] != ["-s"] or arguments[1] in sessions
        else:
            known = command.startswith(tuple(RUN_BY))
        if not known:
            unknown.append(command)
    assert unknown == [], f"{page} shows what no test runs"


@pytest.mark.parametrize(("file", "text"), set(RUN_BY.values()))
def test_named_file_runs_the_command(file: str, text: str) -> None:
    assert text in (ROOT / file).read_text()
