"""Problem documents: one form for every failure under `/api/`, and nothing of the inside in any of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from rest_framework.test import APIClient

from onestep.people.views import PersonViewSet
from tests.factories import PersonFactory

URL = "/api/v1/people/"
TYPE = "application/problem+json"


def document(response: Any) -> dict[str, Any]:
    """Return the problem less its request id, which is checked to be there."""
    assert response["Content-Type"] == TYPE
    body = response.json()
    assert len(body.pop("request_id")) == 36
    return dict(body)


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("url", ["/api/nothing/", "/api/v1/nothing/", "/api/v1/people/x/"])
def test_unknown_address(anonymous: APIClient, verb: str, url: str) -> None:
    assert document(getattr(anonymous, verb)(url)) == {
        "type": "urn:onestep:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
    }


def test_address_without_slash(anonymous: APIClient) -> None:
    detail = document(anonymous.get("/api/v1/people"))["detail"]
    assert detail == "There is nothing at this address. Addresses of this API end with a slash."


def test_row_that_is_not_there(reader: APIClient) -> None:
    assert document(reader.get(f"{URL}999999999999999999/")) == {
        "type": "urn:onestep:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such person.",
    }


def test_verb_that_is_not_supported(editor: APIClient) -> None:
    body = document(editor.put(URL, {}))
    assert (body["status"], body["type"]) == (405, "urn:onestep:problem:method_not_allowed")


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ("{", "The body is not JSON: line 1, column 2."),
        ('{"name": "\ud800"}'.encode("utf-8", "surrogatepass"), None),
        (b"\xff\xfe", None),
    ],
)
def test_body_that_is_not_json(editor: APIClient, sent: str | bytes, detail: str | None) -> None:
    body = document(editor.generic("POST", URL, sent, content_type="application/json"))
    assert (body["status"], body["type"]) == (400, "urn:onestep:problem:malformed")
    assert detail is None or body["detail"] == detail


@pytest.mark.parametrize("sent", ["[]", "1", "null", '"x"'])
def test_body_that_is_not_an_object(editor: APIClient, sent: str) -> None:
    body = document(editor.generic("POST", URL, sent, content_type="application/json"))
    assert (body["status"], body["type"]) == (400, "urn:onestep:problem:malformed")
    assert body["detail"] == "The body is not a JSON object."


def test_body_of_another_type(editor: APIClient) -> None:
    body = document(editor.generic("POST", URL, "name=x", content_type="text/plain"))
    assert (body["status"], body["type"]) == (415, "urn:onestep:problem:unsupported_media_type")


def test_answer_of_another_type(reader: APIClient) -> None:
    body = document(reader.get(URL, HTTP_ACCEPT="text/csv"))
    assert (body["status"], body["type"]) == (406, "urn:onestep:problem:not_acceptable")


def test_field_errors(editor: APIClient) -> None:
    assert document(editor.post(URL, {"email": "x"}, format="json")) == {
        "type": "urn:onestep:problem:invalid",
        "title": "Bad Request",
        "status": 400,
        "detail": "Some values are not valid.",
        "errors": {"name": ["This field is required."], "email": ["Enter a valid email address."]},
    }


def test_text_with_nul(editor: APIClient) -> None:
    """PostgreSQL cannot store U+0000; the field says so before it would."""
    body = document(editor.post(URL, {"name": "a\0b"}, format="json"))
    assert body["errors"] == {"name": ["Null characters are not allowed."]}


@pytest.mark.parametrize(
    ("error", "status", "problem_id"),
    [
        (OperationalError('connection to server at "db" failed: secret'), 503, "unavailable"),
        (InterfaceError("connection already closed: secret"), 503, "unavailable"),
        (IntegrityError('insert or update on table "secret"'), 409, "conflict"),
        (DataError("value secret out of range"), 400, "invalid"),
        (RuntimeError("secret in /app/src"), 500, "internal"),
    ],
)
def test_failure_inside(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, problem_id: str
) -> None:
    """What the database or the code says stays in the log."""

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(PersonViewSet, "list", fail)
    response = reader.get(URL)
    body = document(response)
    assert (body["status"], body["type"]) == (status, f"urn:onestep:problem:{problem_id}")
    assert "secret" not in response.content.decode()
    assert response.get("Retry-After") == ("5" if status == 503 else None)


def test_failure_before_a_view(anonymous: APIClient) -> None:
    """A host that is not served, answered by Django itself, has the same form."""
    body = document(anonymous.get(URL, HTTP_HOST="elsewhere.example"))
    assert (body["status"], body["type"]) == (400, "urn:onestep:problem:bad_request")


def test_query_parameters_with_nul(reader: APIClient) -> None:
    PersonFactory()
    body = document(reader.get(URL, {"search": "a\0b"}))
    assert body["errors"] == {"search": ["Null characters are not allowed."]}
