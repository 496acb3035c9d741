"""A service that cannot start: tried again a bounded number of times, said by each command, and well once mended."""

from __future__ import annotations

import re
import time

import httpx
from docker.models.containers import Container

from tests.container.production.balanced import assert_problem
from tests.container.production.stack import ProductionStack
from tests.container.production.watching import Run
from tests.container.stack import wait_until

TRIES = 10  # restart: on-failure:10


def test_crash_loop_is_bounded_and_shown(production: ProductionStack, figures: dict[str, str]) -> None:
    """The operator mistypes a setting of the pooler, which then ends at each start; clients get the API's own 503."""
    headers = production.obtain_headers()
    settings = production.folder / "settings.env"
    before = settings.read_text()
    settings.write_text(before + "POOL_SIZE=many\n")
    began = time.monotonic()
    up = Run(production, "make", "prod-up")
    wait_until(lambda: restarts(production) >= 3, at_most=60)

    early = production.run("make", "prod-status")
    assert early.returncode != 0
    assert re.search(
        rf"onestep\.E100 pgbouncer-1 keeps ending: \d of {TRIES} times so far(, lastly with exit status 1)?\.\n",
        early.stderr,
    )
    answer = httpx.get(f"{production.url}/api/v1/people/", headers=headers, timeout=20)
    assert_problem(answer, 503, "unavailable")

    assert up.end() != 0
    figures["prod-up with a service that cannot start failed after"] = f"{time.monotonic() - began:.0f} s"
    assert "onestep.E090" in up.output
    assert "pgbouncer" in up.output
    [pooler] = production.containers("pgbouncer")
    # Docker's pauses double from 0.1 s: 102 s, and what each start takes.
    wait_until(lambda: given_up(pooler), at_most=200)
    assert restarts(production) == TRIES
    late = production.run("make", "prod-status")
    assert f"onestep.E100 pgbouncer-1 was given up: it ended {TRIES} times" in late.stderr
    assert f"docker logs --tail=30 {pooler.name}" in late.stderr
    assert b"many" in pooler.logs(tail=30)

    settings.write_text(before)
    production.make("prod-up")
    assert production.make("prod-status").endswith("All is well.\n")
    assert httpx.get(f"{production.url}/api/v1/people/", headers=headers, timeout=20).status_code == 200


def restarts(production: ProductionStack) -> int:
    """Return how often Docker has started the pooler again."""
    return max((int(one.attrs["RestartCount"]) for one in production.containers("pgbouncer")), default=0)


def given_up(container: Container) -> bool:
    """Return whether Docker has ended to start a container again."""
    container.reload()
    return str(container.status) == "exited"
