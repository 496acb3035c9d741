"""`GET`, `PUT` and `PATCH /api/v1/groups/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Group
from tests.factories import CampusFactory, GroupFactory, KnowledgeAreaFactory, MembershipFactory, PersonFactory


@pytest.fixture
def group(db: None) -> Group:
    group = GroupFactory(name="Seeds", short_name="SEEDS", campus=CampusFactory(code="VIX"))
    MembershipFactory(group=group, person__name="Ana")
    group.knowledge_areas.add(KnowledgeAreaFactory(name="Botany"))
    return group


@pytest.fixture
def url(group: Group) -> str:
    return f"/api/v1/groups/{group.pk}/"


@pytest.mark.parametrize("verb", ["get", "put", "patch"])
def test_update_group_anonymous(anonymous: APIClient, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url).status_code == 401


@pytest.mark.parametrize("verb", ["get", "put", "patch"])
def test_update_group_without_permission(outsider: APIClient, url: str, verb: str) -> None:
    assert getattr(outsider, verb)(url).status_code == 403


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_group_reader(reader: APIClient, group: Group, url: str, verb: str) -> None:
    assert getattr(reader, verb)(url, {"name": "Tides"}, format="json").status_code == 403
    group.refresh_from_db()
    assert group.name == "Seeds"


def test_update_group_patch_changes_what_is_given(editor: APIClient, url: str) -> None:
    before = editor.get(url).json()
    response = editor.patch(url, {"kind": "extension"}, format="json")
    assert response.status_code == 200
    after = response.json()
    assert after.pop("updated_at") > before.pop("updated_at")
    assert after == before | {"kind": "extension"}
    assert editor.get(url)["ETag"] == response["ETag"]


def test_update_group_replaces_members_and_areas(editor: APIClient, group: Group, url: str) -> None:
    stays = group.members.get()
    comes = PersonFactory(name="Bia")
    soil = KnowledgeAreaFactory(name="Soil")
    membership = group.memberships.get()
    body = editor.patch(
        url, {"members": [comes.pk, stays.pk, comes.pk], "knowledge_areas": [soil.pk]}, format="json"
    ).json()
    assert [person["name"] for person in body["members"]] == ["Ana", "Bia"]
    assert [area["name"] for area in body["knowledge_areas"]] == ["Soil"]
    assert group.memberships.get(person=stays) == membership
    body = editor.patch(url, {"members": [], "knowledge_areas": []}, format="json").json()
    assert (body["members"], body["members_count"], body["knowledge_areas"]) == ([], 0, [])


@pytest.mark.parametrize("rows", [1, 30])
def test_update_group_queries_do_not_grow(
    editor: APIClient, url: str, django_assert_num_queries: object, rows: int
) -> None:
    """User with permissions; a savepoint; the row locked; areas, members looked up; a savepoint; the row written; one
    query that deletes and one that inserts for each of the two sets; a release; the document; a release."""
    values = {
        "members": [person.pk for person in PersonFactory.create_batch(rows)],
        "knowledge_areas": [area.pk for area in KnowledgeAreaFactory.create_batch(rows)],
    }
    with django_assert_num_queries(14):  # type: ignore[operator]
        assert editor.patch(url, values, format="json").json()["members_count"] == rows


def test_update_group_put(editor: APIClient, url: str) -> None:
    CampusFactory(code="SRR")
    values = {"name": "Tides", "short_name": "T", "kind": "extension", "campus": "srr"}
    body = editor.put(url, values, format="json").json()
    assert {key: body[key] for key in ("name", "short_name", "kind")} == {
        "name": "Tides",
        "short_name": "T",
        "kind": "extension",
    }
    assert body["campus"]["code"] == "SRR"


def test_update_group_put_lacks_values(editor: APIClient, url: str) -> None:
    response = editor.put(url, {"name": "Tides"}, format="json")
    assert response.status_code == 400
    required = ["This field is required."]
    assert response.json()["errors"] == dict.fromkeys(("short_name", "kind", "campus"), required)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"short_name": "gêo"}, {"short_name": ["A group with this short name already exists on this campus."]}),
        ({"name": " "}, {"name": ["This field may not be blank."]}),
        ({"members": [99]}, {"members": ["There is none with the id 99."]}),
    ],
)
def test_update_group_invalid_changes_nothing(
    editor: APIClient, group: Group, url: str, changes: dict[str, object], errors: dict[str, list[str]]
) -> None:
    GroupFactory(short_name="GEO", campus=group.campus)
    before = editor.get(url)["ETag"]
    response = editor.patch(url, {"kind": "extension", "knowledge_areas": [], **changes}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert editor.get(url)["ETag"] == before


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_group_stale(editor: APIClient, group: Group, url: str, verb: str) -> None:
    """A change of the members alone makes the tag stale, even of those that the document does not show."""
    for number in range(50):
        MembershipFactory(group=group, person__name=f"B {number}")
    leaves = MembershipFactory(group=group, person__name="Y").person
    comes = PersonFactory(name="Z")
    tag = editor.get(url)["ETag"]
    assert editor.delete(f"{url}members/{leaves.pk}/").status_code == 204
    assert editor.put(f"{url}members/{comes.pk}/").status_code == 200
    values = {"name": "Tides", "short_name": "T", "kind": "extension", "campus": "VIX"}
    response = getattr(editor, verb)(url, values, format="json", headers={"If-Match": tag})
    assert response.status_code == 412
    body = response.json()
    assert body["type"] == "urn:onestep:problem:stale"
    group.refresh_from_db()
    assert group.name == "Seeds"
    current = editor.get(url)["ETag"]
    assert getattr(editor, verb)(url, values, format="json", headers={"If-Match": current}).status_code == 200


def test_update_group_not_there(editor: APIClient) -> None:
    response = editor.patch("/api/v1/groups/7/", {"name": "Tides"}, format="json")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such group."
