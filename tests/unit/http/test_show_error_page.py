"""Failures outside API views: pages elsewhere, problem documents under `/api/`."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from onestep.errors import ConflictError
from onestep.http import failures
from tests.factories import UserFactory

# Nothing here but the log-in asks for the database: a test that touches it without asking fails.


@pytest.mark.parametrize(
    ("view", "status", "title", "kind"),
    [
        (failures.bad_request, 400, "Bad request", "bad_request"),
        (failures.permission_denied, 403, "Not allowed", "forbidden"),
        (failures.csrf_failure, 403, "This form has expired", "csrf_failed"),
        (failures.page_not_found, 404, "Not found", "not_found"),
        (failures.server_error, 500, "Something went wrong", "internal"),
        (failures.unavailable, 503, "Not available", "unavailable"),
    ],
)
def test_show_error_page(rf: RequestFactory, view: Any, status: int, title: str, kind: str) -> None:
    page = view(rf.get("/somewhere/"))
    assert page.status_code == status
    html = page.content.decode()
    assert f"<h1>{title}</h1>" in html
    assert f"<title>{title} · OneStep</title>" in html
    problem = view(rf.get("/api/v1/somewhere/"))
    assert problem.status_code == status
    assert problem["Content-Type"] == "application/problem+json"
    assert f'"type":"urn:onestep:problem:{kind}"' in problem.content.decode()
    for response in (page, problem):
        assert response.headers.get("Retry-After") == ("5" if status == 503 else None)


def test_show_error_page_for_nothing(client: Client) -> None:
    response = client.get("/nothing/<b>here</b>")
    assert response.status_code == 404
    assert "There is nothing at this address." in response.content.decode()
    assert "<b>" not in response.content.decode()
    assert response["X-Request-ID"] in response.content.decode()


def test_show_error_page_for_unknown_host(client: Client) -> None:
    response = client.get("/login/", headers={"Host": "elsewhere.example"})
    assert response.status_code == 400
    html = response.content.decode()
    assert "The request is not one this service answers." in html
    assert "elsewhere.example" not in html


def break_home(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the view of the home page raise an error."""

    def view(*args: Any) -> Any:
        raise error

    monkeypatch.setattr("onestep.home.readiness", view)


def test_show_error_page_for_a_bug(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the cause is said."""
    break_home(monkeypatch, RuntimeError("secret-of-the-code"))
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    html = response.content.decode()
    assert "This is an error on our side." in html
    assert "secret-of-the-code" not in html


def test_show_error_page_without_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    break_home(monkeypatch, OperationalError("server closed the connection"))
    response = client.get("/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "The database does not answer at the moment." in response.content.decode()


def test_show_error_page_for_a_rule(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    break_home(monkeypatch, ConflictError("Zoë coordinates 1 initiative."))
    response = client.get("/")
    assert response.status_code == 409
    assert "Zoë coordinates 1 initiative." in response.content.decode()


def test_show_error_page_for_missing_csrf_token() -> None:
    response = Client(enforce_csrf_checks=True).post("/login/", {"username": "x", "password": "y"})
    assert response.status_code == 403
    assert "<h1>This form has expired</h1>" in response.content.decode()


@pytest.mark.django_db
def test_show_problem_for_missing_csrf_token() -> None:
    """A session is no credential for a write without the token of a page."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(is_superuser=True))
    response = client.post("/api/v1/people/", {"name": "x"}, content_type="application/json")
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"].startswith("CSRF Failed")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/login/", "/admin/login/"])
def test_show_error_page_for_too_many_attempts(client: Client, settings: Any, address: str) -> None:
    UserFactory(username="zoe")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = client.post(address, {"username": "zoe", "password": "wrong"})
    assert response.status_code == 429
    assert "<h1>Too many attempts</h1>" in response.content.decode()


def test_show_error_page_under_debug(rf: RequestFactory, settings: Any) -> None:
    """Django's debug pages stay outside the API, where their inline scripts may run; inside there are only problems."""
    settings.DEBUG = True
    client = Client()
    page = client.get("/nothing")
    assert page.status_code == 404
    assert "Content-Security-Policy" not in page
    problem = client.get("/api/nothing")
    assert problem["Content-Type"] == "application/problem+json"


def test_show_error_page_instead_of_html_of_others(rf: RequestFactory) -> None:
    """Whatever HTML error comes from inside under `/api/` leaves as a problem document."""

    def answer(status: int) -> Any:
        def get_response(request: HttpRequest) -> HttpResponse:
            return HttpResponse("<h1>Traceback</h1>", status=status)

        return failures.FailureMiddleware(get_response)(rf.get("/api/x/"))

    for status in (400, 404, 405, 500):
        response = answer(status)
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert "Traceback" not in response.content.decode()


def test_show_error_page_where_a_middleware_loses_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the one that stores the session, after the view has answered."""

    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("connection to secret failed")

    monkeypatch.setattr("django.contrib.messages.middleware.MessageMiddleware.process_response", fail)
    client.raise_request_exception = False
    response = client.get("/nothing/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "secret" not in response.content.decode()
