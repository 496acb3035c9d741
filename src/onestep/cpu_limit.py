"""How many processors this process may use, and how many server processes that makes.

A container sees all processors of its host. What it may use of them stands in its control group, which the kernel
shows under /sys/fs/cgroup: as `cpu.max` in version 2, and in version 1 in the folder `cpu`.
https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
https://docs.kernel.org/scheduler/sched-bwc.html#management
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

# More than nine processes share one port, one memory limit and one fate: from there on, more replicas do more.
MOST_CPUS = 8


def cpu_limit(cgroup: Path = CGROUP) -> float:
    """Return how many processors this process may use, such as 0.5: the container's limit, else those it may run on."""
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    available = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return min(quota, available) if quota else available


def default_workers(cpus: float) -> int:
    """Return the number of server processes for so many processors: one for each, and one more; from 2 to 9.

    Python code of one process runs on one processor at a time, so fewer would leave some idle. The one more serves
    while another is kept by one long computation, or is started anew.
    """
    return min(max(math.ceil(cpus), 1), MOST_CPUS) + 1


def _quota_v2(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" where there is no limit
        return None


def _quota_v1(cgroup: Path) -> float | None:
    try:
        quota = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None  # -1 where there is no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None
