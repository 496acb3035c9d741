"""No secret of the environment, and nothing of the code, is in what the service shows or writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.container.service import Service, Web, service

USERNAME, USER_PASSWORD, WRONG_PASSWORD = "ada", "ada-and-the-engine", "not-adas-password"
CANARY = f"canary-{secrets.token_hex(16)}"

# What a page for a stranger must not speak of.
INTERNALS = ("Traceback", "psycopg", "django", "SELECT ", "relation ", "/app/src", "/opt/onestep", "site-packages")
SESSION = {"Cookie": f"sessionid={'0' * 32}"}  # one that has to be looked up


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A service of its own: its tables are broken, and its database is stopped."""
    with service() as running:
        running.create_user(USERNAME, USER_PASSWORD)
        yield running


@pytest.fixture(scope="module")
def web(running: Service) -> Web:
    """A web container that logs all it can, and has a secret in its environment that OneStep does not know."""
    [web] = running.start_web(environment={"LOG_LEVEL": "DEBUG", "SOME_SERVICE_URL": CANARY})
    web.wait_until_ready()
    return web


@pytest.fixture
def broken_sessions(running: Service) -> Iterator[None]:
    """A database that a request with a session fails on: a fault of ours, as with a migration that went wrong."""
    running.sql("ALTER TABLE django_session RENAME TO sessions_gone")
    yield
    running.sql("ALTER TABLE sessions_gone RENAME TO django_session")


@pytest.fixture
def no_database(running: Service) -> Iterator[None]:
    running.database.stop(timeout=10)
    yield
    running.database.start()
    running.wait_for_database()


def says_nothing(answer: httpx.Response, running: Service) -> None:
    """Assert that an answer holds neither a secret nor anything of the code, the database or the stack."""
    everything = f"{answer.headers}{answer.text}"
    assert [secret for secret in all_secrets(running) if secret in everything] == []
    assert [word for word in INTERNALS if word in everything] == []


def all_secrets(running: Service) -> list[str]:
    """Return the secrets of the environment, and the passwords that are typed."""
    return [running.password, running.environment["SECRET_KEY"], CANARY, USER_PASSWORD, WRONG_PASSWORD]


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/v1/people/"])
def test_bad_request_says_nothing(running: Service, web: Web, path: str) -> None:
    answer = web.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    says_nothing(answer, running)
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("path", ["/nowhere/", "/api/nowhere/", "/static/nowhere.css", "/media/nowhere"])
def test_missing_page_says_nothing(running: Service, web: Web, path: str) -> None:
    with web.client(web.obtain_token(USERNAME, USER_PASSWORD)) as client:
        answer = client.get(path)
    assert answer.status_code == 404
    says_nothing(answer, running)


@pytest.mark.usefixtures("broken_sessions")
def test_fault_of_ours_says_nothing(running: Service, web: Web) -> None:
    for path in ("/admin/", "/api/v1/people/"):
        answer = web.get(path, headers=SESSION)
        assert answer.status_code == 500
        says_nothing(answer, running)


@pytest.mark.usefixtures("no_database")
def test_missing_database_says_nothing(running: Service, web: Web) -> None:
    for path in ("/admin/", "/api/v1/people/", "/health/ready"):
        answer = web.get(path, headers=SESSION)
        assert answer.status_code == 503
        says_nothing(answer, running)


@pytest.mark.parametrize(
    "command", [("serve",), ("runserver", "0.0.0.0:8000", "--noreload")], ids=["gunicorn", "Django"]
)
@pytest.mark.usefixtures("broken_sessions")
def test_debug_pages_hold_no_secret(running: Service, command: tuple[str, ...]) -> None:
    """Though they show settings, the request and each variable of the code. The address as a URL, too."""
    parts = {"DB_HOST": "", "POSTGRES_DB": "", "POSTGRES_USER": "", "POSTGRES_PASSWORD": ""}
    url = f"postgresql://onestep:{running.password}@db/onestep"
    environment = {**parts, "DEBUG": "1", "DATABASE_URL": url, "SOME_SERVICE_URL": CANARY}
    [debugging] = running.start_web(1, *command, environment=environment)
    debugging.wait_until_ready()
    asked = [("/", {"Host": "evil.example"}), ("/nowhere/", {}), ("/admin/", SESSION)]
    pages = [debugging.get(path, headers=headers) for path, headers in asked]
    assert [page.status_code for page in pages] == [400, 404, 500]
    assert all("DEBUG = True" in page.text for page in pages)
    for page in pages:
        assert [secret for secret in all_secrets(running) if secret in page.text] == []


def test_logs_hold_no_secret(running: Service, web: Web) -> None:
    """With all that went before in them, and log-ins, right and wrong, by token and by form."""
    with web.client() as client:
        for password in (WRONG_PASSWORD, USER_PASSWORD):
            answer = client.post("/api/v1/auth/token/", json={"username": USERNAME, "password": password})
        tokens = answer.json()
        client.post("/api/v1/auth/token/refresh/", json={"refresh": tokens["refresh"]})
        form = client.get("/admin/login/")
        login = {"username": USERNAME, "password": USER_PASSWORD, "csrfmiddlewaretoken": form.cookies["csrftoken"]}
        assert client.post("/admin/login/?next=/admin/", data=login).status_code == 302
        session = client.cookies["sessionid"]
        client.get("/api/v1/people/", headers={"Authorization": f"Bearer {tokens['access']}"})
    logs = "".join(one.logs() for one in running.webs)
    assert logs.count('"event": "log_in_failed"') == 1
    assert "ProgrammingError" in logs
    leaked = [*all_secrets(running), tokens["access"], tokens["refresh"], session]
    assert [secret for secret in leaked if secret in logs] == []


def test_image_and_container_say_no_more_than_they_were_told(running: Service, web: Web) -> None:
    """The engine shows a container's environment to whoever may ask it; of the image it shows none of that."""
    engine = running.engine
    image = engine.images.get(running.image)
    assert [secret for secret in all_secrets(running) if secret in f"{image.attrs}{image.history()}"] == []
    assert web.container.diff() is None  # nothing was written beside tmpfs and volumes
