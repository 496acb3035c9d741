"""How long to wait before something is tried again."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 15.0


def backoff(attempt: int) -> float:
    """Return the seconds to wait after the failed attempt of this number, counted from 1.

    They double each time up to a bound; a random part keeps those who failed together from trying again together.
    """
    seconds = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** (attempt - 1))
    return seconds * random.uniform(0.5, 1)  # noqa: S311  (not a secret)
