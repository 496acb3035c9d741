"""`POST /api/v1/groups/`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import Group
from tests.factories import CampusFactory, GroupFactory, KnowledgeAreaFactory, PersonFactory

URL = "/api/v1/groups/"


@pytest.fixture
def values(db: None) -> dict[str, Any]:
    return {
        "name": "Seeds of the Forest",
        "short_name": "SEEDS",
        "kind": "research",
        "url": "https://seeds.example.org",
        "campus": CampusFactory(code="VIX").pk,
        "knowledge_areas": [KnowledgeAreaFactory(name=name).pk for name in ("Botany", "Soil")],
        "members": [PersonFactory(name=name).pk for name in ("Ana", "Bia")],
    }


def test_create_group_anonymous(anonymous: APIClient, values: dict[str, Any]) -> None:
    assert anonymous.post(URL, values, format="json").status_code == 401


def test_create_group_reader(reader: APIClient, values: dict[str, Any]) -> None:
    assert reader.post(URL, values, format="json").status_code == 403
    assert not Group.objects.exists()


def test_create_group(editor: APIClient, values: dict[str, Any]) -> None:
    response = editor.post(URL, values, format="json")
    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}{body['id']}/"
    assert editor.get(response["Location"])["ETag"] == response["ETag"]
    assert body["campus"]["id"] == values["campus"]
    assert [area["id"] for area in body["knowledge_areas"]] == values["knowledge_areas"]
    assert [person["id"] for person in body["members"]] == values["members"]
    assert (body["members_count"], body["leaders"]) == (2, [])


def test_create_group_least(editor: APIClient) -> None:
    """A campus is named by its code too, whatever its case; the rest may be left out."""
    campus = CampusFactory(code="VIX")
    values = {"name": " Seeds ", "short_name": " S ", "kind": "extension", "campus": "vix"}
    body = editor.post(URL, values, format="json").json()
    assert (body["name"], body["short_name"], body["url"]) == ("Seeds", "S", "")
    assert body["campus"]["id"] == campus.pk
    assert (body["knowledge_areas"], body["members"]) == ([], [])


@pytest.mark.parametrize("members", [1, 30])
def test_create_group_queries_do_not_grow(editor: APIClient, django_assert_num_queries: object, members: int) -> None:
    """User with permissions; campus, areas, members looked up; a savepoint; group, areas, members written; its release;
    the document."""
    values = {
        "name": "Seeds",
        "short_name": "S",
        "kind": "research",
        "campus": CampusFactory().pk,
        "knowledge_areas": [area.pk for area in KnowledgeAreaFactory.create_batch(members)],
        "members": [person.pk for person in PersonFactory.create_batch(members)],
    }
    with django_assert_num_queries(10):  # type: ignore[operator]
        assert editor.post(URL, values, format="json").status_code == 201


def test_create_group_short_name_is_free_on_another_campus(editor: APIClient, values: dict[str, Any]) -> None:
    GroupFactory(short_name="SEEDS")
    assert editor.post(URL, values, format="json").status_code == 201


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"name": "\u2003 "}, {"name": ["This field may not be blank."]}),
        ({"short_name": "  "}, {"short_name": ["This field may not be blank."]}),
        ({"kind": "other"}, {"kind": ['"other" is not a valid choice.']}),
        ({"url": "javascript:alert(1)"}, {"url": ["Give a web address that begins with https:// or http://."]}),
        ({"url": "ftp://example.org"}, {"url": ["Give a web address that begins with https:// or http://."]}),
        ({"campus": None}, {"campus": ["This field may not be null."]}),
        ({"campus": 99}, {"campus": ["There is none with the id 99."]}),
        ({"campus": 0}, {"campus": ["Ensure this value is greater than or equal to 1."]}),
        ({"campus": 2**63}, {"campus": ["Ensure this value is less than or equal to 9223372036854775807."]}),
        ({"campus": True}, {"campus": ["Give an id as a number, or a code as a text."]}),
        ({"campus": "NOWHERE"}, {"campus": ["There is none with the code NOWHERE."]}),
        ({"campus": " "}, {"campus": ["This field may not be blank."]}),
        ({"campus": [1]}, {"campus": ["Give an id as a number, or a code as a text."]}),
        ({"members": [98, 99]}, {"members": ["There is none with the id 98, 99."]}),
        ({"members": ["x"]}, {"members": {"0": ["A valid integer is required."]}}),
        ({"knowledge_areas": 1}, {"knowledge_areas": ['Expected a list of items but got type "int".']}),
        ({"short_name": "GÊO"}, {"short_name": ["A group with this short name already exists on this campus."]}),
    ],
)
def test_create_group_invalid(
    editor: APIClient, values: dict[str, Any], changes: dict[str, Any], errors: dict[str, Any]
) -> None:
    GroupFactory(short_name="geo", campus_id=values["campus"])
    response = editor.post(URL, {**values, **changes}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert Group.objects.count() == 1


def test_create_group_without_values(editor: APIClient) -> None:
    response = editor.post(URL, {}, format="json")
    required = ["This field is required."]
    assert response.json()["errors"] == dict.fromkeys(("name", "short_name", "kind", "campus"), required)
