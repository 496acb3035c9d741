"""A rollout's two releases on one database: old code on the new schema, and new code on the old one.

The old release is the image that was built. The new one is made of it: the same with one more migration that expands,
and with code that uses it. While a release is rolled out, and after a rollback, both are found on either schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.container.load import Request, send_load
from tests.container.service import Service, Web, service
from tests.container.stack import wait_until

LOGIN = ("boss", "correct horse battery staple")
NAME = "0002_person_nickname"

MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]
    operations = [migrations.AddField("person", "nickname", models.CharField(max_length=40, db_default="none"))]
"""


def expand() -> None:
    """Turn the code of a container into that of the next release. Runs in there, by the image's own Python."""
    import compileall  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    app = Path("/app/src/onestep/people")
    (app / "migrations" / f"{NAME}.py").write_text(MIGRATION)
    models = app / "models.py"
    field = '    nickname = models.CharField(max_length=40, db_default="none")\n'
    before = models.read_text()
    after = before.replace("    created_at = ", f"{field}    created_at = ", 1)
    assert after != before
    models.write_text(after)
    assert compileall.compile_dir(str(app), quiet=1, force=True)


@pytest.fixture(scope="module")
def new_image(production: Service) -> Iterator[str]:
    """The id of the next release's image."""
    script = f"NAME = {NAME!r}\nMIGRATION = {MIGRATION!r}\n{inspect.getsource(expand)}\nexpand()\n"
    container = production.create(entrypoint=["python3", "-c", script], read_only=False, uid=0, volumes={})
    container.start()
    assert container.wait(timeout=60)["StatusCode"] == 0, container.logs().decode()
    changes = ['ENTRYPOINT ["onestep"]', 'CMD ["serve"]', "USER 10001:0"]
    image = container.commit(repository=f"{production.name}-new", changes=changes)
    container.remove()
    yield str(image.id)
    for container in production.engine.containers.list(all=True, filters={"ancestor": image.id}):
        container.remove(force=True)
    production.engine.images.remove(image.id, force=True)


@pytest.fixture(scope="module")
def expanded(new_image: str) -> Iterator[Service]:
    """A service of the old release whose database the new one has migrated."""
    with service(migrate=False) as running:
        old, running.image = running.image, new_image
        running.migrate()
        running.image = old
        running.create_user(*LOGIN)
        yield running


@pytest.fixture
def old_web(expanded: Service) -> Iterator[Web]:
    """A web container of the old release on the new schema."""
    yield from started(expanded, expanded.image)


def started(running: Service, image: str) -> Iterator[Web]:
    """Yield a web container of an image that answers; it is removed in the end."""
    usual, running.image = running.image, image
    [web] = running.start_web()
    running.image = usual
    wait_until(lambda: is_alive(web), at_most=30)
    yield web
    web.container.remove(force=True)


def is_alive(web: Web) -> bool:
    """Return whether `/health/live` answers 200."""
    try:
        return web.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def live_a_person(client: httpx.Client, name: str) -> int:
    """Create, read, change, list, delete and create again; return the id of the person that is left."""
    created = client.post("/api/v1/people/", json={"name": name})
    assert created.status_code == 201, created.text
    address = f"/api/v1/people/{created.json()['id']}/"
    assert client.get(address).json()["name"] == name
    changed = client.patch(address, json={"phone": "+55 11 1234"})
    assert (changed.status_code, changed.json()["phone"]) == (200, "+55 11 1234")
    found = client.get("/api/v1/people/", params={"search": name}).json()["results"]
    assert [person["name"] for person in found] == [name]
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    left = client.post("/api/v1/people/", json={"name": name})
    assert left.status_code == 201, left.text
    return int(left.json()["id"])


def calls_until(done: Callable[[], bool]) -> Iterator[Request]:
    """Yield reads and writes until something is done, and 200 more."""
    left = 200
    while left:
        left -= done()
        yield Request("GET", "/api/v1/people/")
        yield Request("POST", "/api/v1/people/", {"name": "x"})


def test_old_code_serves_on_the_new_schema(expanded: Service, old_web: Web) -> None:
    """It is ready, reads and writes; what it does not know of has the database's default."""
    assert old_web.get("/health/ready").json()["checks"]["migrations"] == {"status": "ok"}
    with old_web.client(old_web.obtain_token(*LOGIN)) as client:
        person = live_a_person(client, "Ada of old")
        initiative = client.post(
            "/api/v1/initiatives/",
            json={"name": "Expansion", "kind": "program", "coordinator": person, "start_date": "2026-01-01"},
        )
        assert initiative.status_code == 201, initiative.text
        assert initiative.json()["coordinator"]["name"] == "Ada of old"
    assert expanded.sql(f"SELECT nickname FROM people_person WHERE id = {person}") == "none"
    assert [event for event in old_web.events() if event["level"] in {"error", "critical"}] == []


def test_old_and_new_code_serve_side_by_side(expanded: Service, old_web: Web, new_image: str) -> None:
    """As in the middle of a rollout: each reads what the other wrote, with one log-in."""
    for new_web in started(expanded, new_image):
        new_web.wait_until_ready()
        token = old_web.obtain_token(*LOGIN)
        with old_web.client(token) as old, new_web.client(token) as new:
            for writing, reading, name in ((old, new, "Bea of old"), (new, old, "Cy of new")):
                person = live_a_person(writing, name)
                assert reading.get(f"/api/v1/people/{person}/").json()["name"] == name
                assert reading.patch(f"/api/v1/people/{person}/", json={"phone": "1"}).status_code == 200


def test_old_release_migrates_nothing_back(expanded: Service, old_web: Web) -> None:
    """A rollback runs the old release's `onestep migrate` on the new schema: all stays, and it serves."""
    with old_web.client(old_web.obtain_token(*LOGIN)) as client:
        person = live_a_person(client, "Dan of old")
        done = expanded.onestep("migrate")
        assert done.status == 0, done.output
        assert expanded.sql(f"SELECT count(*) FROM django_migrations WHERE name = '{NAME}'") == "1"
        assert client.get(f"/api/v1/people/{person}/").json()["name"] == "Dan of old"
    assert old_web.is_ready()


def test_new_code_on_the_old_schema_is_not_ready(production: Service, new_image: str) -> None:
    """It says what is missing, stores nothing, and is ready by itself once the migration is applied.

    That is done while the old release serves, and none of its requests fails.
    """
    production.create_user(*LOGIN)
    [old_web] = production.start_web()
    old_web.wait_until_ready()
    token = old_web.obtain_token(*LOGIN)
    for new_web in started(production, new_image):
        ready = new_web.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["migrations"]["id"] == "onestep.E051"
        assert f"people.{NAME}" in ready.json()["checks"]["migrations"]["detail"]
        with new_web.client(token) as client:
            answer = client.post("/api/v1/people/", json={"name": "Eve of new"})
        assert answer.status_code in {500, 503}
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "nickname" not in answer.text
        assert production.sql("SELECT count(*) FROM people_person WHERE name = 'Eve of new'") == "0"

        usual, production.image = production.image, new_image
        with ThreadPoolExecutor(1) as pool:
            migrating = pool.submit(production.migrate)
            requests = calls_until(migrating.done)
            load = send_load(old_web.url, requests, clients=4, headers={"Authorization": f"Bearer {token}"})
            migrating.result()
        production.image = usual
        assert load.statuses.keys() == {200, 201}
        new_web.wait_until_ready(at_most=5)
        with new_web.client(token) as client:
            live_a_person(client, "Eve of new")
    assert production.sql("SELECT DISTINCT nickname FROM people_person") == "none"
