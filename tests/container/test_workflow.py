"""A developer's day on the development stack: change things, run each target of the Makefile, work in two checkouts.

The commands are typed as README.md and docs/development.md write them. The last tests change what the stack runs on, in
the order in which they stand here.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from tests.container.stack import CHECKOUT, Stack, development_stack, wait_until
from tests.container.terminal import CTRL_C, CTRL_D, terminal

RELOAD_SECONDS = 2.0
MIGRATIONS = Path("src/onestep/people/migrations")
FIELD = '    nickname = models.CharField(max_length=40, blank=True, db_default="")\n'
TARGET = re.compile(r"(?m)^([a-z][a-z-]*):.*? ## (.+)$")


@pytest.fixture
def source(stack: Stack) -> Iterator[dict[Path, str]]:
    """Files of the source by what was in them: a test that changes one puts it here first, and it is written back.

    A new one, with nothing in it before, is removed.
    """
    before: dict[Path, str] = {}
    yield before
    for path, text in before.items():
        if text:
            path.write_text(text)
        else:
            path.unlink()
    if before:
        wait_until(lambda: answers(stack, "/health/ready"), at_most=30)


@pytest.fixture(scope="module")
def second(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, owner: int, stack: Stack
) -> Iterator[Stack]:
    """Another checkout beside the first, with a project and a port of its own; its stack is not up."""
    with development_stack(tmp_path_factory.mktemp("second"), owner=owner) as second:
        failed_before = request.session.testsfailed
        yield second
        if request.session.testsfailed > failed_before:
            second.print_logs()


def test_change_of_python_is_served(stack: Stack, source: dict[Path, str], measured: dict[str, float]) -> None:
    """The route map answers with a page that was not there a moment ago."""
    routes = stack.folder / "src/onestep/urls.py"
    source[routes] = routes.read_text()
    container = state_of(stack, "web")
    routes.write_text(
        f"{source[routes]}\nfrom django.http import HttpResponse\n"
        'urlpatterns.insert(0, path("hot-reload/", lambda request: HttpResponse("reloaded")))\n'
    )
    seconds = wait_until(lambda: answers(stack, "/hot-reload/", "reloaded"), at_most=RELOAD_SECONDS)
    measured["change of Python served"] = seconds
    assert state_of(stack, "web") == container, "the container was started anew"


def test_change_of_template_is_served(stack: Stack, source: dict[Path, str], measured: dict[str, float]) -> None:
    template = stack.folder / "src/onestep/templates/page.html"
    source[template] = template.read_text()
    template.write_text(source[template].replace("</body>", "<!-- hot reload --></body>"))
    seconds = wait_until(lambda: answers(stack, "/", "<!-- hot reload -->"), at_most=RELOAD_SECONDS)
    measured["change of template served"] = seconds


def test_change_of_static_file_is_served(stack: Stack, source: dict[Path, str], measured: dict[str, float]) -> None:
    style = stack.folder / "src/onestep/static/onestep/pages.css"
    source[style] = style.read_text()
    style.write_text(f"{source[style]}\n/* hot reload */\n")
    seconds = wait_until(
        lambda: answers(stack, "/static/onestep/pages.css", "/* hot reload */"), at_most=RELOAD_SECONDS
    )
    measured["change of static file served"] = seconds


def test_field_is_migrated_while_the_stack_serves(stack: Stack, source: dict[Path, str], owner: int) -> None:
    """A model's field becomes a migration of the person's, the migration a column; and it can be taken back."""
    model = stack.folder / "src/onestep/people/models.py"
    source[model] = model.read_text()
    container = state_of(stack, "web")
    last = stack.run("docker compose exec web onestep showmigrations people").split()[-1]

    model.write_text(source[model].replace("    created_at = ", f"{FIELD}    created_at = ", 1))
    said = stack.run("docker compose exec web onestep makemigrations")
    assert "+ Add field nickname to person" in said
    (written,) = (stack.folder / MIGRATIONS).glob("*_person_nickname.py")
    source[written] = ""
    assert (written.stat().st_uid, written.stat().st_gid) == (owner, owner)
    wait_until(lambda: health(stack).get("id") == "onestep.E051", at_most=10)  # what is still to be done

    said = stack.run("make migrate")
    assert re.search(rf"Applying people\.{written.stem}\.\.\. .*OK", said), said
    assert columns(stack) & {"nickname"}
    wait_until(lambda: health(stack)["status"] == "ok", at_most=10)
    with stack.client() as client:
        created = client.post("/api/v1/people/", json={"name": "Named"})
        assert created.status_code == 201, created.text
        assert client.get(f"/api/v1/people/{created.json()['id']}/").json()["name"] == "Named"
    assert "No migrations to apply" in stack.run("make migrate")

    stack.run(f"docker compose exec web onestep migrate people {last}")
    assert not columns(stack) & {"nickname"}
    assert state_of(stack, "web") == container, "the container was started anew"


def test_files_belong_to_the_person(stack: Stack, owner: int) -> None:
    """What commands in the container and the service write to the checkout is not root's."""
    stack.run("docker compose exec web onestep makemigrations people --empty --name of_somebody")
    stack.run("docker compose exec web as-owner touch /app/src/touched")
    written = list((stack.folder / MIGRATIONS).glob("*of_somebody.py"))
    assert len(written) == 1
    log = stack.folder / "logs/onestep.json.log"
    for path in (*written, stack.folder / "src/touched", log):
        assert path.stat().st_uid == owner, path
    strays = [path for path in stack.folder.rglob("*") if path.stat().st_uid != owner]
    assert strays == []
    written[0].unlink()


def test_more_sample_data_is_loaded(stack: Stack) -> None:
    stack.run("docker compose exec web onestep load_sample_data --initiatives 5000 --people 800")
    with stack.client() as client:
        answer = client.get("/api/v1/initiatives/", params={"count": "true"})
    assert answer.json()["count"] == 300 + 5000


def test_readme_asks_the_service(stack: Stack) -> None:
    """Its commands with curl, as a person would paste them."""
    readme = (CHECKOUT / "README.md").read_text()
    (commands,) = re.findall(r"Ask it something:\n\n((?:    .+\n)+)", readme)
    said = stack.run(commands.replace("127.0.0.1:8000", f"127.0.0.1:{stack.port}"))
    rows = json.loads(said)["results"]
    assert rows
    assert all(row["status"] == "active" for row in rows)


def test_createsuperuser_asks_for_a_good_password(stack: Stack) -> None:
    """And the new administrator logs in to the admin with the second one."""
    name, password = f"eve-{secrets.token_hex(3)}", secrets.token_urlsafe(12)
    with terminal(["make", "createsuperuser"], cwd=stack.folder, environment=stack.environment) as screen:
        screen.expect("Username: ")
        screen.type(name)
        screen.expect("Email address: ")
        screen.type(f"{name}@example.org")
        for attempt in ("password123", password):
            screen.expect("Password: ")
            screen.type(attempt)
            screen.expect("Password (again): ")
            screen.type(attempt)
            if attempt != password:
                screen.expect("This password is too common.")
                screen.expect("create user anyway? [y/N]: ")
                screen.type("")
        screen.expect("Superuser created successfully.")
        assert screen.wait() == 0
    assert password not in screen.said
    assert log_in(stack, name, "password123").status_code == 200, "the form again"
    accepted = log_in(stack, name, password)
    assert (accepted.status_code, accepted.headers.get("Location")) == (302, "/admin/")


def test_shell_is_the_owners(stack: Stack, owner: int) -> None:
    """With `onestep` at hand and a name in its prompt; Ctrl-D leaves, without an error after a command that failed."""
    with terminal(["make", "shell"], cwd=stack.folder, environment=stack.environment) as screen:
        screen.expect("onestep@")
        screen.expect(":/app$ ")
        screen.type("echo $(id -u):$(id -g) $(command -v onestep), groups $(id -G)")
        screen.expect(f"\n{owner}:{owner} /usr/local/sbin/onestep, groups {owner}\n")
        screen.expect("$ ")
        screen.type("onestep check && touch src/from-the-shell")
        screen.expect("no issues")
        screen.expect("$ ")
        screen.type("false")
        screen.expect("$ ")
        screen.press(CTRL_D)
        assert screen.wait() == 0
    assert "***" not in screen.said
    assert (stack.folder / "src/from-the-shell").stat().st_uid == owner


def test_shell_without_a_stack_is_an_error(stack: Stack) -> None:
    said = stack.run("make shell", status=2, COMPOSE_PROJECT_NAME=f"{stack.project}-none")
    assert 'service "web" is not running' in said


def test_logs_follow_until_ctrl_c(stack: Stack) -> None:
    """A line that is written later comes too. The stack stays up."""
    with terminal(["make", "logs"], cwd=stack.folder, environment=stack.environment) as screen:
        for word in ("before", "while"):  # the one may be history; when it is there, the other is not yet
            path = f"/api/v1/{word}-{secrets.token_hex(4)}/"
            assert stack.get(path).status_code == 404
            screen.expect(f"GET {path}")
        screen.press(CTRL_C)
        screen.wait()
    # make itself stumbles now and then where its child ends while it handles the signal: "wait: No child processes".
    assert "logs]" not in screen.said
    assert {"db-1", "migrate-1", "web-1"} <= set(re.findall(r"(?m)^([a-z]+-1) +\|", screen.said))
    assert stack.get("/health/ready").json()["status"] == "ok"


def test_help_names_every_target(stack: Stack) -> None:
    """Each with what it does, as plain text: `make` alone says the same."""
    said = stack.run("make help")
    targets = TARGET.findall((stack.folder / "Makefile").read_text())
    assert {"up", "down", "test", "check"} <= {name for name, _ in targets}
    for name, does in targets:
        assert re.search(rf"(?m)^  make {name} +{re.escape(does)}$", said), name
    assert stack.run("make") == said


@pytest.mark.parametrize(
    ("command", "chosen", "left_out"),
    [
        ("make test", {"tests"}, {"lint", "types", "image_build", "workflow", "one_image", "bench", "publish"}),
        ("make check", {"lint", "types", "tests", "image_build", "workflow", "one_image"}, {"rollout", "publish"}),
        ("make check-long", {"rollout", "backup", "restore", "story"}, {"lint", "publish"}),
    ],
)
def test_checks_are_sessions_of_nox(stack: Stack, command: str, chosen: set[str], left_out: set[str]) -> None:
    """The nox that is named reads the copy's noxfile, and says which sessions the target has chosen."""
    nox = shutil.which("nox") or CHECKOUT / ".venv-tools/bin/nox"
    said = stack.run(command, NOX=f"{nox} --list")
    sessions = {mark: set(re.findall(rf"(?m)^{re.escape(mark)} ([a-z_]+)", said)) for mark in "*-"}
    assert chosen - sessions["*"] == set()
    assert left_out - sessions["-"] == set()
    assert not (stack.folder / ".venv-tools").exists(), "it installed another nox"


def test_build_brings_a_change_into_the_image(stack: Stack, source: dict[Path, str]) -> None:
    """Of what is not mounted. The service goes on with the image that it has; `make up` takes the new one."""
    script = stack.folder / "docker/development/as-owner"
    source[script] = script.read_text()
    container = state_of(stack, "web")
    script.write_text(f"{source[script]}# built again\n")
    stack.run("make build")
    show = f"docker run --rm --network=none --entrypoint=cat {stack.project}-development /usr/local/sbin/as-owner"
    assert stack.run(show).endswith("# built again\n")
    assert state_of(stack, "web") == container
    assert "# built again" not in stack.run("docker compose exec web cat /usr/local/sbin/as-owner")


def test_data_survives_down_and_up(stack: Stack) -> None:
    """Volumes stay, and sample data is not loaded a second time."""
    with stack.client() as client:
        created = client.post("/api/v1/people/", json={"name": "Survivor"})
        assert created.status_code == 201, created.text
        before = client.get("/api/v1/people/", params={"count": "true"}).json()["count"]
    stack.run("make down")
    assert stack.compose("ps", "--all", "--quiet") == ""
    with pytest.raises(httpx.ConnectError):
        stack.get("/health/live")
    stack.run("make up")
    with stack.client() as client:
        kept = client.get(f"/api/v1/people/{created.json()['id']}/")
        assert (kept.status_code, kept.json().get("name")) == (200, "Survivor")
        assert client.get("/api/v1/people/", params={"count": "true"}).json()["count"] == before
    assert "There is data already" in stack.compose("logs", "migrate")


def test_taken_port_is_named(second: Stack, stack: Stack) -> None:
    """By Compose: the second checkout wants the port of the first, which goes on."""
    said = second.run("make up", status=2, WEB_PORT=str(stack.port))
    assert re.search(rf"127\.0\.0\.1:{stack.port}\b.* already (in use|allocated)", said), said
    assert "Admin" not in said
    assert stack.get("/health/ready").json()["status"] == "ok"


def test_port_of_another_program_is_named(second: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        said = second.run("make up", status=2, WEB_PORT=str(port))
    assert re.search(rf"127\.0\.0\.1:{port}\b.* already (in use|allocated)", said), said


def test_two_checkouts_run_side_by_side(second: Stack, stack: Stack, owner: int) -> None:
    """On another port and under another name, they share no data, no log and no file."""
    second.run("docker compose down --volumes")
    second.run(f"docker image rm {second.project}-development")  # as on a fresh clone
    said = second.run("make up")
    assert "Log in as admin, password onestep-admin (development only).\n" in said
    assert not re.search(r"(?i)\b(error|warning|pulling)\b", said), said
    links = re.findall(r"(?m)^  \w+ +(http://127\.0\.0\.1:\d+/\S+)$", said)
    assert [httpx.URL(link).path for link in links] == ["/api/v1/", "/api/docs/", "/admin/"]
    for link in links:
        assert httpx.URL(link).port == second.port
        assert httpx.get(link, timeout=10).status_code in {200, 302, 401}, link

    word = f"only-{secrets.token_hex(4)}"
    for here, there in ((stack, second), (second, stack)):
        with here.client() as ours, there.client() as theirs:
            created = ours.post("/api/v1/people/", json={"name": f"{word} {here.project}"})
            assert created.status_code == 201, created.text
            assert found(ours, here.project) == 1
            assert found(theirs, here.project) == 0
        request = f"/api/v1/{word}-{here.project}/"
        here.get(request)
        wait_until(lambda h=here, r=request: r in log_of(h), at_most=5)
        assert request not in log_of(there)
    routes = second.folder / "src/onestep/urls.py"
    routes.write_text(
        f"{routes.read_text()}\nfrom django.http import HttpResponse\n"
        'urlpatterns.insert(0, path("second/", lambda request: HttpResponse("second")))\n'
    )
    wait_until(lambda: answers(second, "/second/", "second"), at_most=30)
    assert stack.get("/second/").status_code == 404
    assert [path for path in second.folder.rglob("*") if path.stat().st_uid != owner] == []

    second.run("make down")
    assert stack.get("/health/ready").json()["status"] == "ok"


def answers(stack: Stack, path: str, text: str = "") -> bool:
    """Whether a page answers 200 with the text in it. While the server reloads, none does."""
    try:
        answer = stack.get(path)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and text in answer.text


def health(stack: Stack) -> dict[str, Any]:
    """What readiness says of the migrations. While the server reloads, nothing."""
    try:
        return stack.get("/health/ready").json()["checks"]["migrations"]
    except httpx.TransportError:
        return {"status": None}


def state_of(stack: Stack, service: str) -> tuple[str, str]:
    """Return a service's container and when that was started."""
    engine = docker.from_env()
    try:
        container = engine.containers.get(stack.compose("ps", "--quiet", service).strip())
        return container.id, container.attrs["State"]["StartedAt"]
    finally:
        engine.close()


def columns(stack: Stack) -> set[str]:
    """Return the columns of the people's table, as the database says."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'people_person'::regclass AND NOT attisdropped"
    psql = ("psql", "--username=postgres", "--dbname=onestep_dev", "-At", f"--command={query}")
    return set(stack.compose("exec", "-T", "db", *psql).split())


def log_in(stack: Stack, name: str, password: str) -> httpx.Response:
    """Send the admin's log-in form, as a browser does."""
    with httpx.Client(base_url=stack.url, timeout=10) as client:
        client.get("/admin/login/")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/admin/login/?next=/admin/", data=form, headers={"Referer": f"{stack.url}/admin/login/"})


def log_of(stack: Stack) -> str:
    """Return the service's log, as it is in the checkout."""
    return (stack.folder / "logs/onestep.json.log").read_text()


def found(client: httpx.Client, text: str) -> int:
    """Return how many people a search finds."""
    return int(client.get("/api/v1/people/", params={"search": text, "count": "true"}).json()["count"])
