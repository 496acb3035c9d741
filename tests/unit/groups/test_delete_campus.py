"""`DELETE /api/v1/campuses/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Campus
from tests.factories import CampusFactory, GroupFactory, InitiativeFactory


@pytest.fixture
def campus(db: None) -> Campus:
    return CampusFactory(name="Vitória")


@pytest.fixture
def url(campus: Campus) -> str:
    return f"/api/v1/campuses/{campus.pk}/"


def test_delete_campus_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.delete(url).status_code == 401


def test_delete_campus_reader(reader: APIClient, url: str) -> None:
    assert reader.delete(url).status_code == 403
    assert Campus.objects.exists()


def test_delete_campus(editor: APIClient, url: str) -> None:
    response = editor.delete(url)
    assert response.status_code == 204
    assert response.content == b""
    assert not Campus.objects.exists()
    assert editor.delete(url).status_code == 404


def test_delete_campus_in_use(editor: APIClient, campus: Campus, url: str) -> None:
    """The answer counts what is on the campus, and names the first ten of each."""
    groups = GroupFactory.create_batch(12, campus=campus)
    initiative = InitiativeFactory(name="Fair", campus=campus)
    response = editor.delete(url)
    assert response.status_code == 409
    body = response.json()
    del body["request_id"]
    assert body == {
        "type": "urn:onestep:problem:campus_in_use",
        "title": "Conflict",
        "status": 409,
        "detail": "Vitória is used by 12 groups and 1 initiative. Change them first.",
        "counts": {"groups": 12, "initiatives": 1},
        "groups": [{"id": group.pk, "name": group.name} for group in groups[:10]],
        "initiatives": [{"id": initiative.pk, "name": "Fair"}],
    }
    assert Campus.objects.filter(pk=campus.pk).exists()


def test_delete_campus_stale(editor: APIClient, url: str) -> None:
    assert editor.delete(url, headers={"If-Match": '"other"'}).status_code == 412
    assert Campus.objects.exists()


def test_delete_campus_collection(editor: APIClient, campus: Campus) -> None:
    assert editor.delete("/api/v1/campuses/").status_code == 405
