"""How long to wait before another attempt."""

from __future__ import annotations

import pytest

from onestep.operations.backoff import backoff


@pytest.mark.parametrize(("attempt", "most"), [(1, 0.5), (2, 1), (5, 8), (6, 15), (5000, 15)])
def test_backoff_doubles_up_to_a_bound(attempt: int, most: float) -> None:
    waits = [backoff(attempt) for _ in range(200)]
    assert most / 2 <= min(waits) <= max(waits) <= most
    assert len(set(waits)) > 100
