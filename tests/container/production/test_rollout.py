"""`make deploy`, `make rollback`, `make scale`, and `make prod-up` after a change: none is dropped or killed.

Requests arrive at fixed times, whatever the stack does, and one in fifty is a write whose body takes four seconds to
send. Each has to be answered by 2xx, and each write that was acknowledged has to be stored, once. The images are made
from the tested one: the same, broken in one place, or with a label more.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker
import pytest
from docker.models.containers import Container

from tests.container.load import Request, send_load
from tests.container.open_load import Arrival, OpenLoad, open_load
from tests.container.production.stack import LOGIN, ProductionStack, production_stack
from tests.container.production.watching import Run, ended
from tests.container.service import image_id
from tests.container.stack import wait_until

FASTEST = 150  # requests a second; fewer where this machine carries less
FEWEST = 10_000  # requests over a rollout
SLOW_SECONDS = 4.0
LIST = "/api/v1/people/?page_size=5"
MOST = 60_000  # requests that a load sends, whatever happens

Build = Callable[[str], str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Build an image from the tested one and some lines of a Dockerfile; return its id. All are removed in the end."""
    engine = docker.from_env()
    base = f"onestep-test-{secrets.token_hex(4)}"
    assert engine.images.get(image_id()).tag(base, "base")
    made = [f"{base}:base"]

    def make(lines: str) -> str:
        folder = tmp_path_factory.mktemp("image")
        (folder / "Dockerfile").write_text(
            f"FROM {base}:base\nLABEL org.onestep.test={secrets.token_hex(8)}\n{lines}\n"
        )
        made.append(f"{base}:{len(made)}")
        subprocess.run(["docker", "build", "--quiet", f"--tag={made[-1]}", folder], check=True, capture_output=True)
        return str(engine.images.get(made[-1]).id)

    try:
        yield make
    finally:
        for name in made:
            engine.images.remove(name, force=True)
        engine.close()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    """A stack whose balancer takes many connections from one address, and lets them wait where the machine is slow."""
    settings = {"CLIENT_CONNECTIONS": "1500", "QUEUE_SECONDS": "30"}
    with production_stack(tmp_path_factory.mktemp("production"), settings=settings) as stack:
        stack.create_user(*LOGIN)
        yield stack


@pytest.fixture(scope="module")
def fastest(production: ProductionStack, figures: dict[str, str]) -> float:
    """A third of the requests a second that the stack carries, since a rollout needs processor time too."""
    headers = production.obtain_headers()
    burst = send_load(production.url, [Request("GET", LIST)] * 600, clients=8, headers=headers)
    assert burst.statuses == {200: 600}
    figures["carried, closed loop"] = str(burst)
    return min(FASTEST, burst.per_second / 3)


@contextmanager
def loaded(stack: ProductionStack, *, per_second: float, broken: str = "") -> Iterator[OpenLoad]:
    """Load the stack while the block runs, and check in the end that nothing was dropped, lost, doubled or killed.

    How replicas of the image `broken` end is left out.
    """
    marker = secrets.token_hex(4)

    def request(number: int) -> Arrival:
        person = {"name": f"{marker} {number}"}
        if number % 50 == 0:
            return Arrival("POST", "/api/v1/people/", {**person, "biography": "x" * 2000}, SLOW_SECONDS)
        if number % 3 == 0:
            return Arrival("POST", "/api/v1/people/", person)
        return Arrival("GET", LIST)

    headers = stack.obtain_headers()
    began = time.time()
    with open_load(stack.url, request, per_second=per_second, at_most=MOST, headers=headers) as load:
        load.wait_for(100)
        yield load
    assert load.failures == [], f"{load.explain()}\n{said_by_balancer(stack)}"
    stored = Counter(stack.sql(f"SELECT name FROM people_person WHERE name LIKE '{marker} %'").splitlines())
    acknowledged = {outcome.arrival.body["name"] for outcome in load.acknowledged}
    assert stored.keys() == acknowledged
    assert set(stored.values()) == {1}
    assert ended(stack, since=began, broken=broken) == [], "a replica was killed, or ended in failure"


def said_by_balancer(stack: ProductionStack) -> str:
    """Return what the balancer has logged of failures, and of replicas that came and went."""
    lines = stack.containers("balancer")[0].logs(timestamps=True).decode().splitlines()
    return "\n".join([line for line in lines if '"status":5' in line or "erver " in line][-60:])


def replicas(stack: ProductionStack) -> dict[str, str]:
    """Return the running replicas' images, by the containers' ids."""
    return {one.id: one.attrs["Image"] for one in stack.containers("web") if one.status == "running"}


def answered(container: Container, *, since: float) -> int:
    """Return how many requests of the API a replica has answered, by its own log."""
    lines = container.logs(since=since).decode().splitlines()
    return sum('"event": "request_finished"' in line and "/api/v1/people/" in line for line in lines)


def state(stack: ProductionStack) -> dict[str, str]:
    """Return what the tools have noted."""
    lines = (stack.folder / "state.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_deploy_and_rollback_drop_nothing(
    production: ProductionStack, fastest: float, build: Build, figures: dict[str, str]
) -> None:
    before = replicas(production)
    image = build("")
    with loaded(production, per_second=fastest) as load:
        load.wait_for(1000)
        began = time.time()
        deployed = production.make("deploy", f"IMAGE={image}")
        figures["deploy under load"] = f"{time.time() - began:.1f} s"
        new = replicas(production)
        assert set(new.values()) == {image}
        assert len(new) == len(before)
        assert not new.keys() & before.keys()
        assert state(production)["ONESTEP_IMAGE"] == image
        load.wait_for(len(load.outcomes) + 500)
        for container in production.containers("web"):
            assert answered(container, since=began) > 0, f"{container.name} got no request"
        began = time.time()
        production.make("rollback")
        figures["rollback under load"] = f"{time.time() - began:.1f} s"
        assert set(replicas(production).values()) == {image_id()}
        load.wait_for(FEWEST, at_most=120 + FEWEST / fastest)
    figures["deploy and rollback"] = str(load)
    assert state(production)["ONESTEP_IMAGE"] == image_id()
    assert state(production)["ONESTEP_PREVIOUS_IMAGE"] == image
    for step in ("Migrate the database", "Start 2 beside", "Wait until the balancer", "Drain and stop", "Together"):
        assert step in deployed
    slow = [outcome for outcome in load.outcomes if outcome.arrival.seconds]
    assert len(slow) > 100
    assert min(outcome.seconds for outcome in slow) > SLOW_SECONDS


def test_same_image_again_does_nothing(production: ProductionStack) -> None:
    before = replicas(production)
    assert "nothing to do" in production.make("deploy", f"IMAGE={image_id()}")
    assert replicas(production) == before


# It serves what is no OneStep, and migrates as OneStep does.
ANOTHER_SERVER = """ENTRYPOINT ["sh", "-c", "\\
[ $0 = serve ] || exec onestep $0 $*; \\
trap 'exit 0' TERM; python3 -m http.server 8000 --directory /tmp & wait"]
CMD ["serve"]"""


@pytest.mark.parametrize(
    ("lines", "why"),
    [('CMD ["no-such-command"]', "ended with exit status"), (ANOTHER_SERVER, "is not ready after 15 s")],
    ids=["ends", "never-ready"],
)
def test_broken_image_leaves_the_old_one_serving(
    production: ProductionStack, fastest: float, build: Build, lines: str, why: str
) -> None:
    before, noted = replicas(production), state(production)
    image = build(lines)
    with loaded(production, per_second=fastest / 2, broken=image) as load:
        done = production.run("make", "deploy", f"IMAGE={image}", env={"DEPLOY_TIMEOUT": "15"})
        load.wait_for(len(load.outcomes) + 100)
    assert done.returncode != 0
    assert "onestep.E095" in done.stderr
    assert why in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert replicas(production) == before
    assert state(production) == noted


def test_scaling_drops_nothing(production: ProductionStack, fastest: float, figures: dict[str, str]) -> None:
    """From 1 to 3 and back; all three get requests within two seconds after the command, and the number stays."""
    production.make("scale", "N=1")
    with loaded(production, per_second=fastest) as load:
        production.make("scale", "N=3")
        began = time.time()
        three = production.containers("web")
        assert len(three) == 3
        wait_until(lambda: all(answered(one, since=began) for one in three), at_most=2)
        production.make("scale", "N=1")
        assert len(replicas(production)) == 1
        load.wait_for(len(load.outcomes) + 300)
    figures["scale 1, 3, 1"] = str(load)
    assert state(production)["WEB_REPLICAS"] == "1"
    before = replicas(production)
    production.make("prod-up")
    assert replicas(production) == before
    production.make("scale", "N=2")


def test_number_that_cannot_be_is_refused(production: ProductionStack) -> None:
    for number in ("0", "11", "many", ""):
        done = production.run("make", "scale", f"N={number}")
        assert done.returncode != 0
        assert "onestep.E098" in done.stderr


def test_more_replicas_than_connections_are_refused(production: ProductionStack) -> None:
    """As many again run while a release is rolled out: the arithmetic is shown, and nothing is started."""
    before = replicas(production)
    done = production.run("make", "scale", "N=10", env={"POOL_MAX_CLIENTS": "60"})
    assert done.returncode != 0
    assert "onestep.E109 10 replicas, with as many new ones beside them, need too many connections." in done.stderr
    assert "onestep.E120" in done.stderr
    assert replicas(production) == before


def test_changed_setting_is_applied_and_drops_nothing(production: ProductionStack, fastest: float) -> None:
    before = replicas(production)
    with loaded(production, per_second=fastest / 2) as load:
        with (production.folder / "settings.env").open("a") as file:
            file.write("LOG_LEVEL=WARNING\n")
        production.make("prod-up")
        assert not replicas(production).keys() & before.keys()
        load.wait_for(len(load.outcomes) + 100)
    for container in production.containers("web"):
        assert "LOG_LEVEL=WARNING" in container.attrs["Config"]["Env"]
    settings = production.folder / "settings.env"
    settings.write_text(settings.read_text().replace("LOG_LEVEL=WARNING\n", ""))
    production.make("prod-up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_deploy_goes_back_and_can_be_run_again(
    production: ProductionStack, fastest: float, build: Build, number: signal.Signals
) -> None:
    before, noted = replicas(production), state(production)
    image = build("")
    with loaded(production, per_second=fastest / 2):
        run = Run(production, "make", "deploy", f"IMAGE={image}")
        run.wait_for("Wait until the balancer")
        run.signal(number)
        assert run.end() != 0
        assert "Roll back" in run.output
        assert replicas(production) == before
        assert state(production) == noted
        production.make("deploy", f"IMAGE={image}")
        assert set(replicas(production).values()) == {image}
        assert len(production.containers("web")) == len(before)


@pytest.mark.parametrize("at", ["Migrate the database", "Start 2 beside", "Wait until the balancer", "Drain and stop"])
def test_killed_deploy_can_be_run_again(production: ProductionStack, fastest: float, build: Build, at: str) -> None:
    """The tool alone is killed, whatever it has started goes on: the stack serves, and the same command ends well."""
    number = len(replicas(production))
    image = build("")
    with loaded(production, per_second=fastest / 2) as load:
        run = Run(production, "make", "deploy", f"IMAGE={image}")
        run.wait_for(at)
        load.wait_for(len(load.outcomes) + 30)
        os.kill(int((production.folder / "lock").read_text()), signal.SIGKILL)
        assert run.end() != 0
        production.make("deploy", f"IMAGE={image}")
        assert list(replicas(production).values()) == [image] * number
        assert len(production.containers("web")) == number


def test_second_run_at_once_is_refused(production: ProductionStack, build: Build) -> None:
    image = build("")
    run = Run(production, "make", "deploy", f"IMAGE={image}")
    run.wait_for("Start 2 beside")
    for command in (["deploy", f"IMAGE={image_id()}"], ["scale", "N=3"], ["prod-up"], ["prod-down"]):
        second = production.run("make", *command)
        assert second.returncode != 0
        assert "onestep.E093" in second.stderr
    assert run.end() == 0, run.output
    assert set(replicas(production).values()) == {image}
