"""How long to wait before something is tried again."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 15.0


def backoff(attempt: int, *, first: float = FIRST_SECONDS, most: float = MOST_SECONDS) -> float:
    """Return the seconds to wait after the failed attempt of this number, counted from 1.

    They double each time from `first` up to `most`; a random part keeps those who failed together from trying again
    together.
    """
    seconds = min(most, first * 2.0 ** min(attempt - 1, 30))
    return seconds * random.uniform(0.5, 1)  # noqa: S311  (not a secret)
