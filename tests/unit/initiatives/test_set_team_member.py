"""`PUT` and `DELETE /api/v1/initiatives/{id}/team/{person}/`."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from onestep.initiatives.models import Initiative
from onestep.people.models import Person
from tests.factories import InitiativeFactory, PersonFactory, TeamMemberFactory, UserFactory
from tests.unit.callers import client_of


@pytest.fixture
def initiative(db: None) -> Initiative:
    return InitiativeFactory(name="Herbarium")


@pytest.fixture
def person(db: None) -> Person:
    return PersonFactory(name="Bia Luz")


@pytest.fixture
def url(initiative: Initiative, person: Person) -> str:
    return f"/api/v1/initiatives/{initiative.pk}/team/{person.pk}/"


def team_of(initiative: Initiative) -> list[tuple[int, str]]:
    """People and roles as they are stored."""
    return list(initiative.team_members.values_list("person", "role"))


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_set_team_member_anonymous(anonymous: APIClient, initiative: Initiative, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url, {"role": "member"}, format="json").status_code == 401
    assert team_of(initiative) == []


@pytest.mark.parametrize("verb", ["put", "delete"])
@pytest.mark.parametrize("caller", ["outsider", "reader"])
def test_set_team_member_without_permission(request: pytest.FixtureRequest, caller: str, verb: str) -> None:
    client = request.getfixturevalue(caller)
    member = TeamMemberFactory(role="student")
    url = f"/api/v1/initiatives/{member.initiative_id}/team/{member.person_id}/"
    assert getattr(client, verb)(url, {"role": "member"}, format="json").status_code == 403
    assert team_of(member.initiative) == [(member.person_id, "student")]


def test_set_team_member_needs_change_only(initiative: Initiative, person: Person, url: str) -> None:
    """Who may change an initiative may change its team, without permission to delete initiatives."""
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="change_initiative"))
    client = client_of(user)
    assert client.put(url, {"role": "member"}, format="json").status_code == 200
    assert client.delete(url).status_code == 204
    assert client.delete(f"/api/v1/initiatives/{initiative.pk}/").status_code == 403


def test_set_team_member_adds(editor: APIClient, initiative: Initiative, person: Person, url: str) -> None:
    response = editor.put(url, {"role": "student"}, format="json")
    assert response.status_code == 200
    assert response.json()["team"] == [{"person": {"id": person.pk, "name": "Bia Luz"}, "role": "student"}]
    assert response["ETag"] == editor.get(f"/api/v1/initiatives/{initiative.pk}/")["ETag"]


def test_set_team_member_changes_role(editor: APIClient, initiative: Initiative, person: Person, url: str) -> None:
    member = TeamMemberFactory(initiative=initiative, person=person, role="student")
    assert editor.put(url, {"role": "member"}, format="json").json()["team"][0]["role"] == "member"
    assert list(initiative.team_members.values_list("pk", "role")) == [(member.pk, "member")]


def test_set_team_member_again_changes_nothing(editor: APIClient, url: str) -> None:
    first = editor.put(url, {"role": "student"}, format="json")
    second = editor.put(url, {"role": "student"}, format="json")
    assert (second.json(), second["ETag"]) == (first.json(), first["ETag"])


def test_set_team_member_is_seen_in_updated_at(editor: APIClient, initiative: Initiative, url: str) -> None:
    assert editor.put(url, {"role": "student"}, format="json").status_code == 200
    added = Initiative.objects.get(pk=initiative.pk).updated_at
    assert added > initiative.updated_at
    assert editor.delete(url).status_code == 204
    assert Initiative.objects.get(pk=initiative.pk).updated_at > added


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"role": ["This field is required."]}),
        ({"role": "boss"}, {"role": ['"boss" is not a valid choice.']}),
    ],
)
def test_set_team_member_refuses(
    editor: APIClient, initiative: Initiative, url: str, body: dict[str, str], errors: dict[str, list[str]]
) -> None:
    response = editor.put(url, body, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert team_of(initiative) == []


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_set_team_member_missing_person(editor: APIClient, initiative: Initiative, verb: str) -> None:
    url = f"/api/v1/initiatives/{initiative.pk}/team/999/"
    response = getattr(editor, verb)(url, {"role": "member"}, format="json")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such person."


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_set_team_member_missing_initiative(editor: APIClient, person: Person, verb: str) -> None:
    url = f"/api/v1/initiatives/999/team/{person.pk}/"
    response = getattr(editor, verb)(url, {"role": "member"}, format="json")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such initiative."


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_set_team_member_stale(editor: APIClient, initiative: Initiative, person: Person, url: str, verb: str) -> None:
    TeamMemberFactory(initiative=initiative, person=person, role="student")
    tag = editor.get(f"/api/v1/initiatives/{initiative.pk}/")["ETag"]
    Initiative.objects.filter(pk=initiative.pk).update(name="Seeds")
    response = getattr(editor, verb)(url, {"role": "member"}, format="json", headers={"If-Match": tag})
    assert response.status_code == 412
    assert team_of(initiative) == [(person.pk, "student")]


def test_remove_team_member(editor: APIClient, initiative: Initiative, person: Person, url: str) -> None:
    other = TeamMemberFactory(initiative=initiative)
    TeamMemberFactory(initiative=initiative, person=person)
    response = editor.delete(url)
    assert (response.status_code, response.content) == (204, b"")
    assert team_of(initiative) == [(other.person_id, "member")]


def test_remove_team_member_again_changes_nothing(editor: APIClient, initiative: Initiative, url: str) -> None:
    before = editor.get(f"/api/v1/initiatives/{initiative.pk}/").json()
    assert editor.delete(url).status_code == 204
    assert editor.get(f"/api/v1/initiatives/{initiative.pk}/").json() == before


def test_set_team_member_refuses_another_verb(editor: APIClient, url: str) -> None:
    assert editor.post(url, {"role": "member"}, format="json").status_code == 405
