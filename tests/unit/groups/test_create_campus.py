"""`POST /api/v1/campuses/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Campus
from tests.factories import CampusFactory

URL = "/api/v1/campuses/"
VALUES = {"name": "Vitória", "code": "VIX", "location": "Jucutuquara"}


def test_create_campus_anonymous(anonymous: APIClient, db: None) -> None:
    assert anonymous.post(URL, VALUES, format="json").status_code == 401


def test_create_campus_reader(reader: APIClient) -> None:
    assert reader.post(URL, VALUES, format="json").status_code == 403
    assert not Campus.objects.exists()


def test_create_campus(editor: APIClient) -> None:
    response = editor.post(URL, {**VALUES, "name": "  Vitória "}, format="json")
    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}{body['id']}/"
    assert {key: body[key] for key in VALUES} == VALUES
    assert editor.get(response["Location"])["ETag"] == response["ETag"]


def test_create_campus_without_location(editor: APIClient) -> None:
    body = editor.post(URL, {"name": "Vitória", "code": "VIX"}, format="json").json()
    assert body["location"] == ""


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": " \t\u00a0"}, {"name": ["This field may not be blank."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": "x" * 201}, {"name": ["Ensure this field has no more than 200 characters."]}),
        ({"code": ""}, {"code": ["This field may not be blank."]}),
        ({"code": "V X"}, {"code": ["A code consists of letters, digits, hyphens and underscores."]}),
        ({"code": "É"}, {"code": ["A code consists of letters, digits, hyphens and underscores."]}),
        ({"code": "srr"}, {"code": ["A campus with this code already exists."]}),
    ],
)
def test_create_campus_invalid(editor: APIClient, changes: dict[str, object], errors: dict[str, list[str]]) -> None:
    CampusFactory(code="SRR")
    response = editor.post(URL, {**VALUES, **changes}, format="json")
    assert response.status_code == 400
    assert response.json()["type"] == "urn:onestep:problem:invalid"
    assert response.json()["errors"] == errors
    assert Campus.objects.count() == 1


def test_create_campus_without_values(editor: APIClient) -> None:
    response = editor.post(URL, {}, format="json")
    assert response.json()["errors"] == {"name": ["This field is required."], "code": ["This field is required."]}
