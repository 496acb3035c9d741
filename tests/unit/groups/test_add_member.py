"""`PUT /api/v1/groups/{id}/members/{person}/`."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from onestep.groups.models import Group
from onestep.people.models import Person
from tests.factories import GroupFactory, PersonFactory, UserFactory
from tests.unit.callers import client_of


@pytest.fixture
def group(db: None) -> Group:
    return GroupFactory()


@pytest.fixture
def person(db: None) -> Person:
    return PersonFactory(name="Ana")


@pytest.fixture
def url(group: Group, person: Person) -> str:
    return f"/api/v1/groups/{group.pk}/members/{person.pk}/"


def test_add_member_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.put(url).status_code == 401


def test_add_member_reader(reader: APIClient, group: Group, url: str) -> None:
    assert reader.put(url).status_code == 403
    assert not group.members.exists()


def test_add_member_with_permission_to_change_groups(group: Group, url: str) -> None:
    user = UserFactory()
    user.user_permissions.set(Permission.objects.filter(codename="change_group", content_type__app_label="groups"))
    assert client_of(user).put(url).status_code == 200


def test_add_member(editor: APIClient, group: Group, person: Person, url: str) -> None:
    response = editor.put(url)
    assert response.status_code == 200
    assert response.json()["id"] == group.pk
    assert response.json()["members"] == [{"id": person.pk, "name": "Ana"}]
    assert editor.get(f"/api/v1/groups/{group.pk}/")["ETag"] == response["ETag"]


def test_add_member_again_changes_nothing(editor: APIClient, url: str) -> None:
    first = editor.put(url)
    again = editor.put(url)
    assert again.status_code == 200
    assert again["ETag"] == first["ETag"]
    assert again.json()["members_count"] == 1


def test_add_member_stale(editor: APIClient, group: Group, url: str) -> None:
    assert editor.put(url, headers={"If-Match": '"other"'}).status_code == 412
    assert not group.members.exists()
    tag = editor.get(f"/api/v1/groups/{group.pk}/")["ETag"]
    assert editor.put(url, headers={"If-Match": tag}).status_code == 200


def test_add_member_not_there(editor: APIClient, group: Group, person: Person) -> None:
    response = editor.put(f"/api/v1/groups/{group.pk}/members/{person.pk + 1}/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such person."
    response = editor.put(f"/api/v1/groups/{group.pk + 1}/members/{person.pk}/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such group."


@pytest.mark.parametrize("verb", ["get", "post", "patch"])
def test_add_member_by_another_verb(editor: APIClient, url: str, verb: str) -> None:
    assert getattr(editor, verb)(url).status_code == 405
