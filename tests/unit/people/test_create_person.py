"""`POST /api/v1/people/`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from onestep.people.models import Person
from tests.factories import PersonFactory

URL = "/api/v1/people/"
VALUES = {"name": "Zoë Ávila", "email": "zoe@example.org", "phone": "+55 27 3335 0000"}


def test_create_person_anonymous(anonymous: APIClient, db: None) -> None:
    assert anonymous.post(URL, VALUES, format="json").status_code == 401
    assert not Person.objects.exists()


def test_create_person_outsider(outsider: APIClient) -> None:
    assert outsider.post(URL, VALUES, format="json").status_code == 403
    assert not Person.objects.exists()


def test_create_person_reader(reader: APIClient) -> None:
    assert reader.post(URL, VALUES, format="json").status_code == 403
    assert not Person.objects.exists()


def test_create_person(editor: APIClient) -> None:
    response = editor.post(URL, VALUES, format="json")
    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}{body['id']}/"
    assert {name: body[name] for name in VALUES} == VALUES
    assert (body["coordinates"], body["coordinates_count"], body["teams"], body["teams_count"]) == ([], 0, [], 0)
    read = editor.get(response["Location"])
    assert read.json() == body
    assert read["ETag"] == response["ETag"]


def test_create_person_by_name_alone(editor: APIClient) -> None:
    body = editor.post(URL, {"name": "Zoë"}, format="json").json()
    assert (body["name"], body["email"], body["phone"]) == ("Zoë", None, "")


def test_create_person_twice_without_email(editor: APIClient) -> None:
    """An address that is not known is nobody's, and so not another's."""
    for _ in range(2):
        assert editor.post(URL, {"name": "Zoë", "email": None}, format="json").status_code == 201


def test_create_person_trims(editor: APIClient) -> None:
    """Space around values goes; an address's domain is written in lower case, what stands before it is kept."""
    values = {"name": " Zoë \u00a0", "email": " Zoe.Avila@Example.ORG ", "phone": " 123 "}
    body = editor.post(URL, values, format="json").json()
    assert (body["name"], body["email"], body["phone"]) == ("Zoë", "Zoe.Avila@example.org", "123")


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"name": " \t\u00a0"}, {"name": ["This field may not be blank."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": ["x"]}, {"name": ["Not a valid string."]}),
        ({"name": 7}, {"name": ["Not a valid string."]}),
        ({"name": True}, {"name": ["Not a valid string."]}),
        ({"name": "x" * 201}, {"name": ["Ensure this field has no more than 200 characters."]}),
        ({"name": "a\0b"}, {"name": ["Null characters are not allowed."]}),
        ({"email": ""}, {"email": ["This field may not be blank."]}),
        ({"email": "zoe"}, {"email": ["Enter a valid email address."]}),
        ({"phone": 5527}, {"phone": ["Not a valid string."]}),
        ({"phone": None}, {"phone": ["This field may not be null."]}),
        ({"phone": "1" * 41}, {"phone": ["Ensure this field has no more than 40 characters."]}),
        (
            {"name": " ", "email": "zoe"},
            {"name": ["This field may not be blank."], "email": ["Enter a valid email address."]},
        ),
    ],
)
def test_create_person_invalid(editor: APIClient, changes: dict[str, Any], errors: dict[str, list[str]]) -> None:
    response = editor.post(URL, {**VALUES, **changes}, format="json")
    assert response.status_code == 400
    body = response.json()
    assert body["type"] == "urn:onestep:problem:invalid"
    assert body["detail"] == "Some values are not valid."
    assert body["errors"] == errors
    assert not Person.objects.exists()


def test_create_person_without_values(editor: APIClient) -> None:
    assert editor.post(URL, {}, format="json").json()["errors"] == {"name": ["This field is required."]}


@pytest.mark.parametrize("email", ["zoe@example.org", "ZOE@EXAMPLE.ORG", "Zoe@Example.org"])
def test_create_person_with_taken_email(editor: APIClient, email: str) -> None:
    PersonFactory(email="zoe@example.org")
    response = editor.post(URL, {**VALUES, "email": email}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"email": ["A person with this e-mail address already exists."]}
    assert Person.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_create_person_concurrently(editor: APIClient) -> None:
    """Of two that create the same address at once, one succeeds and the other is told which field is to blame."""
    barrier = Barrier(2)

    def create(email: str) -> tuple[int, Any]:
        try:
            barrier.wait(timeout=10)
            response = editor.post(URL, {"name": "Zoë", "email": email}, format="json")
            return response.status_code, response.json().get("errors")
        finally:
            connections.close_all()

    taken = {"email": ["A person with this e-mail address already exists."]}
    with ThreadPoolExecutor(2) as pool:
        for attempt in range(10):
            answers = list(pool.map(create, [f"zoe{attempt}@example.org", f"ZOE{attempt}@example.org"]))
            assert sorted(answers, key=str) == [(201, None), (400, taken)]
    assert Person.objects.count() == 10
