"""What production is for, in one go: from a fresh copy to three replicas, a deploy under load, and a bad night."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.container.open_load import Arrival, open_load
from tests.container.production.stack import LOGIN, ProductionStack
from tests.container.stack import copy_checkout, free_port

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def checksums(stack: ProductionStack) -> dict[str, str]:
    """Return for each table how many rows it has, and a checksum over all of them."""
    tables = stack.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").splitlines()
    rows = "SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text))"
    return {table: stack.sql(f'{rows} FROM "{table}" AS t') for table in tables}


def test_from_a_fresh_copy_to_restored_data(tmp_path: Path, figures: dict[str, str]) -> None:
    checkout = tmp_path / "onestep"
    copy_checkout(checkout)
    # All requests come from one address, and a machine that builds an image meanwhile may let them wait.
    shell = {"CLIENT_CONNECTIONS": "1500", "QUEUE_SECONDS": "30"}
    project = f"onestep-test-{secrets.token_hex(4)}"
    stack = ProductionStack(checkout / "production", project, free_port(), shell, checkout)
    try:
        story(stack, figures)
    except BaseException:
        stack.print_logs()
        raise
    finally:
        stack.remove()


def story(stack: ProductionStack, figures: dict[str, str]) -> None:
    """Go through it, each step a command that the documentation names."""
    with timed(figures, "make prod-init prod-up, images built"):
        stack.make("prod-init", "prod-up")
    stack.create_user(*LOGIN)
    with timed(figures, "make scale N=3"):
        stack.make("scale", "N=3")
    content = attach(stack)
    with timed(figures, "make deploy, another build, under load"):
        deploy_under_load(stack, figures)

    before = checksums(stack)
    assert len(before) > 20
    with timed(figures, "make backup"):
        stack.make("backup")
    stack.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    done = stack.containers("web")[0].exec_run(["sh", "-c", "rm -rf /app/media/*"])
    assert done.exit_code == 0, done.output
    with timed(figures, "make restore, of a wiped database"):
        stack.make("restore", "SNAPSHOT=latest")

    assert checksums(stack) == before
    with stack.client() as client:
        assert client.get(content).content == PNG
        assert client.post("/api/v1/people/", json={"name": "After the night"}).status_code == 201


@contextmanager
def timed(figures: dict[str, str], name: str) -> Iterator[None]:
    """Note how long the block takes."""
    began = time.monotonic()
    yield
    figures[name] = f"{time.monotonic() - began:.1f} s"


def attach(stack: ProductionStack) -> str:
    """Store an initiative with a file; return the path of its content."""
    with stack.client() as client:
        ada = client.post("/api/v1/people/", json={"name": "Ada"}).json()
        orchard = {"name": "Orchard", "kind": "event", "start_date": "2026-01-01", "coordinator": ada["id"]}
        made = client.post("/api/v1/initiatives/", json=orchard)
        assert made.status_code == 201, made.text
        initiative = {"initiative": str(made.json()["id"])}
        attached = client.post("/api/v1/attachments/", data=initiative, files={"file": ("seed.png", PNG, "image/png")})
        assert attached.status_code == 201, attached.text
    return str(attached.json()["content_url"])


def deploy_under_load(stack: ProductionStack, figures: dict[str, str]) -> None:
    """Deploy what a change of the checkout makes, while 30 requests a second arrive, a quarter of them writes."""

    def request(number: int) -> Arrival:
        if number % 4 == 0:
            return Arrival("POST", "/api/v1/people/", {"name": f"While deploying {number}"})
        return Arrival("GET", "/api/v1/people/?page_size=5")

    source = stack.checkout / "src/onestep/__init__.py"
    source.write_text(source.read_text() + "\n# Another build.\n")
    headers = stack.obtain_headers()
    old = {one.attrs["Image"] for one in stack.containers("web")}
    with open_load(stack.url, request, per_second=30, at_most=20_000, headers=headers) as load:
        load.wait_for(100)
        stack.make("deploy")
        load.wait_for(len(load.outcomes) + 100)
    figures["the load meanwhile"] = str(load)
    assert load.failures == [], load.explain()
    new = [one.attrs["Image"] for one in stack.containers("web")]
    assert len(new) == 3
    assert not old & set(new)
    stored = stack.sql("SELECT count(*) FROM people_person WHERE name LIKE 'While deploying %'")
    assert int(stored) == len(load.acknowledged)
