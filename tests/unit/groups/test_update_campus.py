"""`PUT` and `PATCH /api/v1/campuses/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Campus
from tests.factories import CampusFactory


@pytest.fixture
def campus(db: None) -> Campus:
    return CampusFactory(name="Vitória", code="VIX", location="Jucutuquara")


@pytest.fixture
def url(campus: Campus) -> str:
    return f"/api/v1/campuses/{campus.pk}/"


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_campus_anonymous(anonymous: APIClient, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url, {"name": "Serra", "code": "SRR"}, format="json").status_code == 401


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_campus_reader(reader: APIClient, campus: Campus, url: str, verb: str) -> None:
    assert getattr(reader, verb)(url, {"name": "Serra", "code": "SRR"}, format="json").status_code == 403
    campus.refresh_from_db()
    assert campus.name == "Vitória"


def test_update_campus_patch(editor: APIClient, url: str) -> None:
    response = editor.patch(url, {"location": ""}, format="json")
    assert response.status_code == 200
    body = response.json()
    assert (body["name"], body["code"], body["location"]) == ("Vitória", "VIX", "")


def test_update_campus_put(editor: APIClient, url: str) -> None:
    body = editor.put(url, {"name": "Serra", "code": "vix"}, format="json").json()
    assert (body["name"], body["code"]) == ("Serra", "vix")


def test_update_campus_put_lacks_code(editor: APIClient, url: str) -> None:
    response = editor.put(url, {"name": "Serra"}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"code": ["This field is required."]}


def test_update_campus_code_taken(editor: APIClient, campus: Campus, url: str) -> None:
    CampusFactory(code="srr")
    response = editor.patch(url, {"code": "SRR"}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"code": ["A campus with this code already exists."]}
    campus.refresh_from_db()
    assert campus.code == "VIX"


def test_update_campus_stale(editor: APIClient, campus: Campus, url: str) -> None:
    tag = editor.get(url)["ETag"]
    assert editor.patch(url, {"name": "Serra"}, format="json", headers={"If-Match": tag}).status_code == 200
    response = editor.patch(url, {"name": "Colatina"}, format="json", headers={"If-Match": tag})
    assert response.status_code == 412
    assert response.json()["type"] == "urn:onestep:problem:stale"
    campus.refresh_from_db()
    assert campus.name == "Serra"


def test_update_campus_not_there(editor: APIClient) -> None:
    assert editor.patch("/api/v1/campuses/7/", {"name": "Serra"}, format="json").status_code == 404
