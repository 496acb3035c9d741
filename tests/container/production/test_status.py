"""`make prod-status`, `make prod-logs`, `make prod-down`."""

from __future__ import annotations

import json
import secrets
import signal

from tests.container.production.stack import ProductionStack
from tests.container.production.watching import Run
from tests.container.service import image_id
from tests.container.terminal import terminal


def ids(output: str) -> list[str]:
    """Return the error ids of the lines that begin with one."""
    return [line.split()[0] for line in output.splitlines() if line.startswith("onestep.E")]


def test_stack_that_is_well(production: ProductionStack) -> None:
    """One line for each container, the age of the backup, and exit status 0."""
    production.make("backup")
    shown = production.make("prod-status").splitlines()
    rows = {line.split()[0]: line for line in shown}
    services = set(json.loads(production.compose("config", "--format=json"))["services"])
    assert {name.rpartition("-")[0] for name in rows if name.rpartition("-")[2].isdecimal()} == services
    assert len([name for name in rows if name.startswith("web-")]) == 2
    for words in ("running", "healthy", image_id().removeprefix("sha256:")[:12]):
        assert words in rows["web-1"]
    assert f"127.0.0.1:{production.port}" in rows["balancer-1"]
    assert "exited" in rows["migrate-1"]
    assert "snapshot" in rows["Last"]
    assert shown[-1] == "All is well."


def test_replica_that_is_gone_or_stopped_is_said(production: ProductionStack) -> None:
    first, second = production.containers("web")
    first.stop()
    done = production.run("make", "prod-status")
    assert done.returncode != 0
    assert ids(done.stderr) == ["onestep.E101"]
    assert "is exited, with exit status 0" in done.stderr
    first.remove()
    done = production.run("make", "prod-status")
    assert done.returncode != 0
    assert ids(done.stderr) == ["onestep.E102"]
    assert "web has 1 of 2 containers." in done.stderr
    production.make("prod-up")
    assert production.run("make", "prod-status").returncode == 0
    assert second.id in {one.id for one in production.containers("web")}, "one that was well was replaced"


def test_administrator_is_made_and_logs_in(production: ProductionStack) -> None:
    """The first thing that an operator does: name and password are asked for on the terminal."""
    password = secrets.token_urlsafe(12)
    command = ["make", "--no-print-directory", "prod-createsuperuser"]
    with terminal(command, cwd=production.checkout, environment=production.environment()) as screen:
        for question, answer in (
            ("Username: ", "eve"),
            ("Email address: ", "eve@example.org"),
            ("Password: ", password),
            ("Password (again): ", password),
        ):
            screen.expect(question)
            screen.type(answer)
        screen.expect("Superuser created successfully.")
        assert screen.wait() == 0
    with production.client("eve", password) as client:
        assert client.get("/api/v1/people/").status_code == 200


def test_compose_has_the_stacks_files(production: ProductionStack) -> None:
    """Also for a command with options; its exit status is make's failure."""
    said = production.make("prod-compose", "RUN=exec -T web onestep budget --json")
    assert json.loads(said)["fits"] is True
    assert production.run("make", "prod-compose", "RUN=exec -T web onestep nothing").returncode != 0


def test_logs_are_followed_until_ctrl_c(production: ProductionStack) -> None:
    run = Run(production, "make", "prod-logs")
    run.wait_for("readiness_changed")
    run.signal(signal.SIGINT)
    run.end()
    # make itself stumbles now and then where its child ends while it handles the signal: "wait: No child processes".
    for word in ("prod-logs]", "Traceback", "onestep.E09"):
        assert word not in run.output


def test_down_keeps_the_data(production: ProductionStack) -> None:
    with production.client() as client:
        assert client.post("/api/v1/people/", json={"name": "Zoë"}).status_code == 201
    production.make("prod-down")
    assert all(production.containers(service) == [] for service in ("web", "db", "balancer"))
    done = production.run("make", "prod-status")
    assert done.returncode != 0
    assert "web does not run." in done.stderr
    production.make("prod-up")
    assert production.sql("SELECT name FROM people_person") == "Zoë"
