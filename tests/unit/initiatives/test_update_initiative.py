"""`PUT` and `PATCH /api/v1/initiatives/{id}/`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.initiatives import services
from onestep.initiatives.models import Initiative
from tests.factories import (
    CampusFactory,
    GroupFactory,
    InitiativeFactory,
    KnowledgeAreaFactory,
    PersonFactory,
    TeamMemberFactory,
)


@pytest.fixture
def initiative(db: None) -> Initiative:
    return InitiativeFactory(name="Herbarium", campus=CampusFactory(), parent=InitiativeFactory(name="Coast"))


@pytest.fixture
def url(initiative: Initiative) -> str:
    return f"/api/v1/initiatives/{initiative.pk}/"


def name_of(initiative: Initiative) -> str:
    """The name as it is stored."""
    return Initiative.objects.get(pk=initiative.pk).name


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_initiative_anonymous(anonymous: APIClient, initiative: Initiative, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url, {"name": "x"}, format="json").status_code == 401
    assert name_of(initiative) == "Herbarium"


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_initiative_outsider(outsider: APIClient, url: str, verb: str) -> None:
    assert getattr(outsider, verb)(url, {"name": "x"}, format="json").status_code == 403


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_initiative_reader(reader: APIClient, initiative: Initiative, url: str, verb: str) -> None:
    assert getattr(reader, verb)(url, {"name": "x"}, format="json").status_code == 403
    assert name_of(initiative) == "Herbarium"


def test_update_initiative_missing(editor: APIClient) -> None:
    assert editor.patch("/api/v1/initiatives/999/", {"name": "x"}, format="json").status_code == 404


def test_update_initiative_patch_changes_what_is_given(editor: APIClient, url: str) -> None:
    before = editor.get(url).json()
    response = editor.patch(url, {"name": "Seeds", "campus": None, "parent": None}, format="json")
    assert response.status_code == 200
    body = response.json()
    assert body.pop("updated_at") > before.pop("updated_at")
    assert body == before | {"name": "Seeds", "campus": None, "parent": None}
    assert response["ETag"] == editor.get(url)["ETag"]


def test_update_initiative_put(editor: APIClient, url: str) -> None:
    ana = PersonFactory(name="Ana")
    values = {"name": "Fair", "kind": "event", "start_date": "2025-01-01", "coordinator": ana.pk}
    body = editor.put(url, values, format="json").json()
    assert (body["name"], body["kind"], body["start_date"]) == ("Fair", "event", "2025-01-01")
    assert body["coordinator"]["name"] == "Ana"


def test_update_initiative_put_needs_everything(editor: APIClient, url: str) -> None:
    response = editor.put(url, {"name": "Fair"}, format="json")
    assert response.status_code == 400
    assert sorted(response.json()["errors"]) == ["coordinator", "kind", "start_date"]


def test_update_initiative_replaces_lists(editor: APIClient, initiative: Initiative, url: str) -> None:
    """Lists that are given replace what was there; those that are not given stay."""
    kept, gone, new = GroupFactory.create_batch(3)
    area = KnowledgeAreaFactory()
    initiative.groups.set([kept, gone])
    initiative.knowledge_areas.set([area])
    body = editor.patch(url, {"groups": [new.pk, kept.pk]}, format="json").json()
    assert [row["id"] for row in body["groups"]] == [kept.pk, new.pk]
    assert [row["id"] for row in body["knowledge_areas"]] == [area.pk]
    body = editor.patch(url, {"groups": [], "knowledge_areas": []}, format="json").json()
    assert (body["groups"], body["knowledge_areas"]) == ([], [])


def test_update_initiative_replaces_team(editor: APIClient, initiative: Initiative, url: str) -> None:
    """Who stays as they are keeps their row, so that nobody else waits for it."""
    stays, changes, leaves = TeamMemberFactory.create_batch(3, initiative=initiative)
    comes = PersonFactory()
    team = [
        {"person": comes.pk, "role": "student"},
        {"person": changes.person_id, "role": "student"},
        {"person": stays.person_id, "role": "member"},
    ]
    body = editor.patch(url, {"team": team}, format="json").json()
    roles = {entry["person"]["id"]: entry["role"] for entry in body["team"]}
    assert roles == {comes.pk: "student", changes.person_id: "student", stays.person_id: "member"}
    assert set(initiative.team_members.values_list("pk", flat=True)) >= {stays.pk, changes.pk}
    assert leaves.person_id not in roles


def test_update_initiative_end_before_start(editor: APIClient, initiative: Initiative, url: str) -> None:
    response = editor.patch(url, {"name": "Seeds", "end_date": "2024-02-29"}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"end_date": ["The end cannot be before the start."]}
    assert name_of(initiative) == "Herbarium"


def test_update_initiative_own_parent(editor: APIClient, initiative: Initiative, url: str) -> None:
    response = editor.patch(url, {"parent": initiative.pk}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"parent": ["An initiative cannot be its own parent."]}


@pytest.mark.parametrize("depth", [1, 3])
def test_update_initiative_parent_below_it(editor: APIClient, initiative: Initiative, url: str, depth: int) -> None:
    """A cycle is a conflict with what is there now: the same request is fine once that has changed."""
    below = initiative
    for level in range(depth):
        below = InitiativeFactory(name=f"Level {level + 1}", parent=below)
    response = editor.patch(url, {"name": "Seeds", "parent": below.pk}, format="json")
    assert response.status_code == 409
    body = response.json()
    del body["request_id"]
    detail = f"Level {depth} is a part of Herbarium, so it cannot be its parent. Choose another parent."
    assert body == {
        "type": "urn:onestep:problem:hierarchy_cycle",
        "title": "Conflict",
        "status": 409,
        "detail": detail,
        "errors": {"parent": [detail]},
    }
    initiative.refresh_from_db()
    assert (initiative.name, initiative.parent.name) == ("Herbarium", "Coast")
    Initiative.objects.filter(pk=below.pk).update(parent=None)
    assert editor.patch(url, {"parent": below.pk}, format="json").status_code == 200


def test_update_initiative_moves_with_what_is_below(editor: APIClient, initiative: Initiative, url: str) -> None:
    child = InitiativeFactory(parent=initiative)
    elsewhere = InitiativeFactory(name="Forest")
    body = editor.patch(url, {"parent": elsewhere.pk}, format="json").json()
    assert body["parent"]["name"] == "Forest"
    above = editor.get(f"/api/v1/initiatives/{child.pk}/ancestors/").json()["results"]
    assert [row["name"] for row in above] == ["Forest", "Herbarium"]


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_initiative_stale(editor: APIClient, initiative: Initiative, url: str, verb: str) -> None:
    tag = editor.get(url)["ETag"]
    TeamMemberFactory(initiative=initiative)
    values: dict[str, Any] = {
        "name": "Seeds",
        "kind": "event",
        "start_date": "2025-01-01",
        "coordinator": initiative.coordinator_id,
        "team": [],
    }
    response = getattr(editor, verb)(url, values, format="json", headers={"If-Match": tag})
    assert response.status_code == 412
    assert response.json()["type"] == "urn:onestep:problem:stale"
    initiative.refresh_from_db()
    assert (initiative.name, initiative.kind, initiative.team_members.count()) == ("Herbarium", "project", 1)
    fresh = editor.get(url)["ETag"]
    assert getattr(editor, verb)(url, values, format="json", headers={"If-Match": fresh}).status_code == 200


def test_update_initiative_body_that_is_no_object(editor: APIClient, url: str) -> None:
    response = editor.patch(url, ["parent"], format="json")
    assert response.status_code == 400


def test_update_initiative_writes_given_columns_only(initiative: Initiative) -> None:
    """A change by somebody else since the row was read is not undone."""
    stale = Initiative.objects.get(pk=initiative.pk)
    Initiative.objects.filter(pk=initiative.pk).update(parent=None)
    services.update_initiative(stale, name="Seeds")
    initiative.refresh_from_db()
    assert (initiative.name, initiative.parent) == ("Seeds", None)
