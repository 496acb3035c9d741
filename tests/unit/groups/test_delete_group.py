"""`DELETE /api/v1/groups/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Group, Leadership, Membership
from tests.factories import (
    GroupFactory,
    InitiativeFactory,
    KnowledgeAreaFactory,
    LeadershipFactory,
    MembershipFactory,
)


@pytest.fixture
def group(db: None) -> Group:
    return GroupFactory(name="Seeds", short_name="SEEDS")


@pytest.fixture
def url(group: Group) -> str:
    return f"/api/v1/groups/{group.pk}/"


def test_delete_group_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.delete(url).status_code == 401


def test_delete_group_reader(reader: APIClient, url: str) -> None:
    assert reader.delete(url).status_code == 403
    assert Group.objects.exists()


def test_delete_group_with_what_is_its_own(editor: APIClient, group: Group, url: str) -> None:
    MembershipFactory(group=group)
    LeadershipFactory(group=group)
    group.knowledge_areas.add(KnowledgeAreaFactory())
    assert editor.delete(url).status_code == 204
    assert not Group.objects.exists()
    assert not Membership.objects.exists()
    assert not Leadership.objects.exists()


def test_delete_group_in_use(editor: APIClient, group: Group, url: str) -> None:
    initiatives = InitiativeFactory.create_batch(11)
    for initiative in initiatives:
        initiative.groups.add(group)
    response = editor.delete(url)
    assert response.status_code == 409
    body = response.json()
    assert body["type"] == "urn:onestep:problem:group_in_use"
    assert body["detail"] == "Seeds is used by 11 initiatives. Change them first."
    assert body["counts"] == {"initiatives": 11}
    assert body["initiatives"] == [{"id": row.pk, "name": row.name} for row in initiatives[:10]]
    assert group.initiatives.count() == 11


def test_delete_group_stale(editor: APIClient, group: Group, url: str) -> None:
    tag = editor.get(url)["ETag"]
    LeadershipFactory(group=group)
    response = editor.delete(url, headers={"If-Match": tag})
    assert response.status_code == 412
    assert Group.objects.exists()
    assert editor.delete(url, headers={"If-Match": editor.get(url)["ETag"]}).status_code == 204
