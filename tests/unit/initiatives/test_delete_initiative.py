"""`DELETE /api/v1/initiatives/{id}/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from onestep.initiatives.models import Attachment, Initiative, TeamMember
from tests.factories import GroupFactory, InitiativeFactory, KnowledgeAreaFactory, TeamMemberFactory


@pytest.fixture
def initiative(db: None) -> Initiative:
    return InitiativeFactory(name="Coast")


@pytest.fixture
def url(initiative: Initiative) -> str:
    return f"/api/v1/initiatives/{initiative.pk}/"


def stored_files(media_root: Path) -> list[Path]:
    """Every file on the media volume."""
    return [path for path in media_root.rglob("*") if path.is_file()]


@pytest.fixture
def subtree(initiative: Initiative) -> list[Initiative]:
    """Three levels below the initiative, with all that an initiative has."""
    child = InitiativeFactory(parent=initiative)
    rows = [child, InitiativeFactory(parent=child), InitiativeFactory(parent=initiative)]
    rows.append(InitiativeFactory(parent=rows[1]))
    for row in rows:
        row.groups.add(GroupFactory())
        row.knowledge_areas.add(KnowledgeAreaFactory())
        TeamMemberFactory(initiative=row)
    return rows


def attach(editor: APIClient, initiative: Initiative) -> None:
    """Upload a file to an initiative."""
    response = editor.post(
        "/api/v1/attachments/",
        {"initiative": initiative.pk, "file": SimpleUploadedFile("notes.txt", b"hello")},
        format="multipart",
    )
    assert response.status_code == 201, response.json()


def test_delete_initiative_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.delete(url).status_code == 401
    assert Initiative.objects.exists()


@pytest.mark.parametrize("caller", ["outsider", "reader"])
def test_delete_initiative_without_permission(request: pytest.FixtureRequest, url: str, caller: str) -> None:
    assert request.getfixturevalue(caller).delete(url).status_code == 403
    assert Initiative.objects.exists()


def test_delete_initiative(editor: APIClient, initiative: Initiative, url: str) -> None:
    """Its team and its place among groups and areas go with it; they themselves stay."""
    group, area = GroupFactory(), KnowledgeAreaFactory()
    initiative.groups.add(group)
    initiative.knowledge_areas.add(area)
    person = TeamMemberFactory(initiative=initiative).person
    response = editor.delete(url)
    assert (response.status_code, response.content) == (204, b"")
    assert not Initiative.objects.exists()
    for row in (group, area, person):
        row.refresh_from_db()


def test_delete_initiative_missing(editor: APIClient) -> None:
    assert editor.delete("/api/v1/initiatives/999/").status_code == 404


def test_delete_initiative_stale(editor: APIClient, initiative: Initiative, url: str) -> None:
    tag = editor.get(url)["ETag"]
    Initiative.objects.filter(pk=initiative.pk).update(name="Shore")
    assert editor.delete(url, headers={"If-Match": tag}).status_code == 412
    assert editor.delete(f"{url}?descendants=delete", headers={"If-Match": tag}).status_code == 412
    assert Initiative.objects.exists()
    assert editor.delete(url, headers={"If-Match": editor.get(url)["ETag"]}).status_code == 204


@pytest.mark.parametrize(
    ("below", "detail"),
    [
        (1, "1 initiative is below Coast. Move or delete what is below first, or have it deleted as well."),
        (3, "3 initiatives are below Coast. Move or delete what is below first, or have it deleted as well."),
    ],
)
def test_delete_initiative_with_descendants(
    editor: APIClient, initiative: Initiative, url: str, below: int, detail: str
) -> None:
    """The refusal counts everything below, not the children only."""
    parent = initiative
    for _ in range(below):
        parent = InitiativeFactory(parent=parent)
    response = editor.delete(url)
    assert response.status_code == 409
    body = response.json()
    del body["request_id"]
    assert body == {
        "type": "urn:onestep:problem:has_descendants",
        "title": "Conflict",
        "status": 409,
        "detail": detail,
        "descendants": below,
    }
    assert Initiative.objects.count() == below + 1


@pytest.mark.parametrize("value", ["", "true", "keep", "DELETE"])
def test_delete_initiative_unknown_value(editor: APIClient, url: str, value: str) -> None:
    response = editor.delete(f"{url}?descendants={value}")
    assert response.status_code == 400
    assert response.json()["errors"] == {"descendants": ["Give delete, or leave it out."]}
    assert Initiative.objects.exists()


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("descendant=delete", {"descendant": ["There is no such parameter."]}),
        ("descendants=delete&descendants=delete", {"descendants": ["Give it once."]}),
    ],
)
def test_delete_initiative_unknown_parameter(
    editor: APIClient, url: str, query: str, errors: dict[str, list[str]]
) -> None:
    response = editor.delete(f"{url}?{query}")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert Initiative.objects.exists()


@pytest.mark.usefixtures("subtree")
def test_delete_initiative_subtree(editor: APIClient, url: str) -> None:
    """Everything below goes; what is beside it stays."""
    beside = InitiativeFactory(parent=InitiativeFactory())
    assert editor.delete(f"{url}?descendants=delete").status_code == 204
    assert set(Initiative.objects.values_list("pk", flat=True)) == {beside.pk, beside.parent_id}
    assert not TeamMember.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_delete_initiative_subtree_removes_files(
    editor: APIClient, media_root: Path, url: str, subtree: list[Initiative]
) -> None:
    for row in subtree:
        attach(editor, row)
    assert len(stored_files(media_root)) == 4
    assert editor.delete(f"{url}?descendants=delete").status_code == 204
    assert not Attachment.objects.exists()
    assert stored_files(media_root) == []


@pytest.mark.django_db(transaction=True)
def test_delete_initiative_subtree_that_fails_keeps_everything(
    editor: APIClient, media_root: Path, url: str, subtree: list[Initiative], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a row nor a file goes where the deletion is not completed."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    attach(editor, subtree[0])
    monkeypatch.setattr("onestep.initiatives.services.remove_files_on_commit", fail)
    assert editor.delete(f"{url}?descendants=delete").status_code == 500
    assert Initiative.objects.count() == 5
    assert len(stored_files(media_root)) == 1


@pytest.mark.usefixtures("subtree")
def test_delete_initiative_subtree_takes_few_queries(
    editor: APIClient, initiative: Initiative, url: str, django_assert_max_num_queries: Any
) -> None:
    """The number of queries follows the levels, not the rows."""
    for _ in range(30):
        InitiativeFactory(parent=initiative)
    with django_assert_max_num_queries(22):
        assert editor.delete(f"{url}?descendants=delete").status_code == 204
