"""`DELETE /api/v1/groups/{id}/members/{person}/`."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from onestep.groups.models import Group, Membership
from onestep.people.models import Person
from tests.factories import MembershipFactory, PersonFactory, UserFactory
from tests.unit.callers import client_of


@pytest.fixture
def membership(db: None) -> Membership:
    return MembershipFactory()


@pytest.fixture
def group(membership: Membership) -> Group:
    return membership.group


@pytest.fixture
def url(membership: Membership) -> str:
    return f"/api/v1/groups/{membership.group_id}/members/{membership.person_id}/"


def test_remove_member_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.delete(url).status_code == 401


def test_remove_member_reader(reader: APIClient, group: Group, url: str) -> None:
    assert reader.delete(url).status_code == 403
    assert group.members.count() == 1


@pytest.mark.parametrize(("codename", "status"), [("change_group", 204), ("delete_group", 403)])
def test_remove_member_takes_permission_to_change_groups(url: str, codename: str, status: int) -> None:
    user = UserFactory()
    user.user_permissions.set(Permission.objects.filter(codename=codename, content_type__app_label="groups"))
    assert client_of(user).delete(url).status_code == status


def test_remove_member(editor: APIClient, membership: Membership, group: Group, url: str) -> None:
    other = MembershipFactory(group=group)
    elsewhere = MembershipFactory(person=membership.person)
    response = editor.delete(url)
    assert response.status_code == 204
    assert response.content == b""
    assert set(Membership.objects.all()) == {other, elsewhere}


def test_remove_member_again_changes_nothing(editor: APIClient, group: Group, url: str) -> None:
    editor.delete(url)
    tag = editor.get(f"/api/v1/groups/{group.pk}/")["ETag"]
    assert editor.delete(url).status_code == 204
    assert editor.get(f"/api/v1/groups/{group.pk}/")["ETag"] == tag


def test_remove_member_stale(editor: APIClient, group: Group, url: str) -> None:
    assert editor.delete(url, headers={"If-Match": '"other"'}).status_code == 412
    assert group.members.count() == 1


def test_remove_member_who_is_not_there(editor: APIClient, group: Group) -> None:
    stranger: Person = PersonFactory()
    assert editor.delete(f"/api/v1/groups/{group.pk}/members/{stranger.pk}/").status_code == 204
    assert editor.delete(f"/api/v1/groups/{group.pk}/members/{stranger.pk + 1}/").status_code == 404
    assert editor.delete(f"/api/v1/groups/{group.pk + 1}/members/{stranger.pk}/").status_code == 404
