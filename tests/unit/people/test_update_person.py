"""`PUT` and `PATCH /api/v1/people/<id>/`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.people.models import Person
from tests.factories import PersonFactory

URL = "/api/v1/people/"


@pytest.fixture
def person(db: None) -> Person:
    return PersonFactory(name="Zoë Ávila", email="zoe@example.org", phone="123")


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_person_anonymous(anonymous: APIClient, person: Person, verb: str) -> None:
    assert getattr(anonymous, verb)(f"{URL}{person.pk}/", {"name": "X"}, format="json").status_code == 401


@pytest.mark.parametrize("verb", ["put", "patch"])
@pytest.mark.parametrize("caller", ["outsider", "reader"])
def test_update_person_without_permission(
    request: pytest.FixtureRequest, person: Person, caller: str, verb: str
) -> None:
    client = request.getfixturevalue(caller)
    response = getattr(client, verb)(f"{URL}{person.pk}/", {"name": "X"}, format="json")
    assert response.status_code == 403
    person.refresh_from_db()
    assert person.name == "Zoë Ávila"


def test_update_person_put(editor: APIClient, person: Person) -> None:
    values = {"name": "Zoë Prado", "email": "prado@example.org", "phone": ""}
    response = editor.put(f"{URL}{person.pk}/", values, format="json")
    assert response.status_code == 200
    body = response.json()
    assert {name: body[name] for name in values} == values
    assert body["updated_at"] > body["created_at"]
    assert editor.get(f"{URL}{person.pk}/")["ETag"] == response["ETag"]


def test_update_person_put_without_name(editor: APIClient, person: Person) -> None:
    response = editor.put(f"{URL}{person.pk}/", {"phone": "1"}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"name": ["This field is required."]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": " Zoë Prado "}, ("Zoë Prado", "zoe@example.org", "123")),
        ({"email": None}, ("Zoë Ávila", None, "123")),
        ({"email": "ZOE@Example.org"}, ("Zoë Ávila", "ZOE@example.org", "123")),
        ({"phone": ""}, ("Zoë Ávila", "zoe@example.org", "")),
        ({}, ("Zoë Ávila", "zoe@example.org", "123")),
    ],
)
def test_update_person_patch(
    editor: APIClient, person: Person, changes: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    """What is not given stays; the own address in another case is not somebody else's."""
    response = editor.patch(f"{URL}{person.pk}/", changes, format="json")
    assert response.status_code == 200
    body = response.json()
    assert (body["name"], body["email"], body["phone"]) == expected


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_person_with_taken_email(editor: APIClient, person: Person, verb: str) -> None:
    PersonFactory(email="ana@example.org")
    values = {"name": "Ana", "email": "ANA@example.org"}
    response = getattr(editor, verb)(f"{URL}{person.pk}/", values, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"email": ["A person with this e-mail address already exists."]}
    person.refresh_from_db()
    assert (person.name, person.email) == ("Zoë Ávila", "zoe@example.org")


def test_update_person_blank_name(editor: APIClient, person: Person) -> None:
    response = editor.patch(f"{URL}{person.pk}/", {"name": "  "}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"name": ["This field may not be blank."]}


def test_update_person_unknown(editor: APIClient) -> None:
    response = editor.patch(f"{URL}999999/", {"name": "X"}, format="json")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such person."


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_person_stale(editor: APIClient, person: Person, verb: str) -> None:
    """The second of two writers who read the same form is refused and changes nothing."""
    address = f"{URL}{person.pk}/"
    tag = editor.get(address)["ETag"]
    send = getattr(editor, verb)
    first = send(address, {"name": "First"}, format="json", headers={"If-Match": tag})
    assert first.status_code == 200
    second = send(address, {"name": "Second"}, format="json", headers={"If-Match": tag})
    assert second.status_code == 412
    body = second.json()
    body.pop("request_id")
    assert body == {
        "type": "urn:onestep:problem:stale",
        "title": "Precondition Failed",
        "status": 412,
        "detail": "It has changed since you read it. Read it again and repeat your change.",
    }
    assert editor.get(address).json() == first.json()
    again = send(address, {"name": "Second"}, format="json", headers={"If-Match": first["ETag"]})
    assert again.json()["name"] == "Second"


@pytest.mark.parametrize("wanted", ["*", None])
def test_update_person_whatever_its_form(editor: APIClient, person: Person, wanted: str | None) -> None:
    headers = {"If-Match": wanted} if wanted else {}
    response = editor.patch(f"{URL}{person.pk}/", {"name": "X"}, format="json", headers=headers)
    assert response.status_code == 200
