"""The number of server processes: from the container's CPU limit, where the kernel says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onestep.cpu_limit import cpu_limit, default_workers
from tests.unit.operations.commands import run_onestep

AVAILABLE = len(os.sched_getaffinity(0))
V1 = {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, AVAILABLE),
        ({"cpu.max": "20000 50000\n"}, 0.4),
        ({"cpu.max": "6400000 100000\n"}, AVAILABLE),  # more than there are
        ({"cpu.max": ""}, AVAILABLE),
        ({"cpu.max": "50000 0\n"}, AVAILABLE),
        (V1, 0.5),
        (V1 | {"cpu/cpu.cfs_quota_us": "-1\n"}, AVAILABLE),
        (V1 | {"cpu/cpu.cfs_period_us": "none\n"}, AVAILABLE),
        ({"cpu/cpu.cfs_quota_us": "50000\n"}, AVAILABLE),
        (V1 | {"cpu.max": "25000 100000\n"}, 0.25),
        ({}, AVAILABLE),
    ],
)
def test_limit_is_that_of_the_control_group(tmp_path: Path, files: dict[str, str], expected: float) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_limit(tmp_path) == expected


@pytest.mark.parametrize(
    ("cpus", "workers"), [(0.01, 2), (0.5, 2), (1, 2), (1.01, 3), (2, 3), (4, 5), (7.5, 9), (8, 9), (64, 9)]
)
def test_workers_are_one_more_than_processors_within_bounds(cpus: float, workers: int) -> None:
    assert default_workers(cpus) == workers


@pytest.mark.parametrize(("given", "workers"), [("", default_workers(cpu_limit())), ("7", 7)])
def test_workers_are_those_that_are_given(given: str, workers: int) -> None:
    done = run_onestep(
        "shell",
        "--verbosity=0",
        "--command=from django.conf import settings; print(settings.WEB_WORKERS, settings.WEB_WORKERS_GIVEN)",
        variables={"DEBUG": "1", "WEB_WORKERS": given},
    )
    assert done.stdout == f"{workers} {bool(given)}\n", done.stderr
