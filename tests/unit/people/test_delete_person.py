"""`DELETE /api/v1/people/<id>/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Leadership, Membership
from onestep.initiatives.models import Initiative, TeamMember
from onestep.people.models import Person
from tests.factories import InitiativeFactory, LeadershipFactory, MembershipFactory, PersonFactory, TeamMemberFactory

URL = "/api/v1/people/"


def test_delete_person_anonymous(anonymous: APIClient, db: None) -> None:
    person = PersonFactory()
    assert anonymous.delete(f"{URL}{person.pk}/").status_code == 401
    assert Person.objects.exists()


@pytest.mark.parametrize("caller", ["outsider", "reader"])
def test_delete_person_without_permission(request: pytest.FixtureRequest, caller: str) -> None:
    client = request.getfixturevalue(caller)
    assert client.delete(f"{URL}{PersonFactory().pk}/").status_code == 403
    assert Person.objects.exists()


def test_delete_person(editor: APIClient) -> None:
    """A person leaves teams and groups; these stay."""
    person = PersonFactory()
    initiative = TeamMemberFactory(person=person).initiative
    MembershipFactory(person=person)
    LeadershipFactory(person=person)
    response = editor.delete(f"{URL}{person.pk}/")
    assert response.status_code == 204
    assert response.content == b""
    assert not Person.objects.filter(pk=person.pk).exists()
    for model in (TeamMember, Membership, Leadership):
        assert not model._default_manager.exists()
    assert Initiative.objects.get() == initiative
    assert editor.delete(f"{URL}{person.pk}/").status_code == 404


def test_delete_person_who_coordinates(editor: APIClient) -> None:
    person = PersonFactory(name="Zoë Ávila")
    initiative = InitiativeFactory(name="Herbarium", coordinator=person)
    response = editor.delete(f"{URL}{person.pk}/")
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    body.pop("request_id")
    assert body == {
        "type": "urn:onestep:problem:person_coordinates",
        "title": "Conflict",
        "status": 409,
        "detail": "Zoë Ávila coordinates 1 initiative. Give them another coordinator first.",
        "count": 1,
        "initiatives": [{"id": initiative.pk, "name": "Herbarium"}],
    }
    assert Person.objects.filter(pk=person.pk).exists()


def test_delete_person_names_ten_initiatives(editor: APIClient) -> None:
    person = PersonFactory(name="Zoë")
    first, *_ = InitiativeFactory.create_batch(12, coordinator=person)
    body = editor.delete(f"{URL}{person.pk}/").json()
    assert body["detail"] == "Zoë coordinates 12 initiatives. Give them another coordinator first."
    assert body["count"] == 12
    assert [row["id"] for row in body["initiatives"]] == list(range(first.pk, first.pk + 10))


def test_delete_person_stale(editor: APIClient) -> None:
    person = PersonFactory()
    address = f"{URL}{person.pk}/"
    tag = editor.get(address)["ETag"]
    editor.patch(address, {"name": "Changed"}, format="json")
    response = editor.delete(address, headers={"If-Match": tag})
    assert response.status_code == 412
    assert response.json()["type"] == "urn:onestep:problem:stale"
    current = editor.get(address)["ETag"]
    assert editor.delete(address, headers={"If-Match": current}).status_code == 204
