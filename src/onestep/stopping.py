"""How a process ends that is told to, before it serves."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def leave_when_told() -> None:
    """End at SIGTERM and SIGINT from here on, with 128 + the signal's number.

    PID 1 has no default handlers, so that it would hear neither while it loads Django or waits for the database.
    """
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)
