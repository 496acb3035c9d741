"""Each fault turns the session red that is there for it, in words that name the fault; without it the session is green.

The faults stand in faults.py, and docs/development.md has them as a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.container.gates.faults import FAULTS, GATES
from tests.container.gates.workshop import Fault, Gate, Workshop, workshop
from tests.container.stack import CHECKOUT


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Where the copies are."""
    with workshop(tmp_path_factory.mktemp("gates")) as made:
        yield made


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: " ".join([gate.session, *gate.arguments[:2]]))
def test_copy_without_a_fault_is_let_through(place: Workshop, gate: Gate) -> None:
    finished = place.run(gate)
    assert gate.lets_through in finished.output, finished.output


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_turns_its_session_red(place: Workshop, fault: Fault, figures: dict[str, str]) -> None:
    gate = fault.gate
    seeded = [other for other in FAULTS if other.gate is gate] if gate.reports_all else [fault]
    finished = place.run(gate, *seeded)
    assert finished.status == 1, finished.output
    assert fault.words in finished.output, finished.output
    assert fault.words not in place.run(gate).output
    figures[f"Fault: {fault.name}"] = f"caught by {gate.session}"


def test_documentation_lists_every_fault() -> None:
    section = (CHECKOUT / "docs/development.md").read_text().partition("\n## Gates\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (.+) \| `(\w+)` \|$", section, re.MULTILINE) == [
        (fault.name, fault.gate.session) for fault in FAULTS
    ]
