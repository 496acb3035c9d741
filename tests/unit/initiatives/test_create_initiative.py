"""`POST /api/v1/initiatives/`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.initiatives.models import Initiative
from onestep.people.models import Person
from tests.factories import CampusFactory, GroupFactory, InitiativeFactory, KnowledgeAreaFactory, PersonFactory

URL = "/api/v1/initiatives/"


@pytest.fixture
def coordinator(db: None) -> Person:
    return PersonFactory(name="Ana Prado")


@pytest.fixture
def least(coordinator: Person) -> dict[str, Any]:
    """The values that an initiative needs."""
    return {"name": "Herbarium", "kind": "project", "start_date": "2024-03-01", "coordinator": coordinator.pk}


def test_create_initiative_anonymous(anonymous: APIClient, least: dict[str, Any]) -> None:
    assert anonymous.post(URL, least, format="json").status_code == 401
    assert not Initiative.objects.exists()


def test_create_initiative_outsider(outsider: APIClient, least: dict[str, Any]) -> None:
    assert outsider.post(URL, least, format="json").status_code == 403


def test_create_initiative_reader(reader: APIClient, least: dict[str, Any]) -> None:
    assert reader.post(URL, least, format="json").status_code == 403
    assert not Initiative.objects.exists()


def test_create_initiative_least(editor: APIClient, least: dict[str, Any]) -> None:
    """The answer is the row as a read has it, with its address and ETag."""
    response = editor.post(URL, least, format="json")
    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}{body['id']}/"
    read = editor.get(response["Location"])
    assert (read.json(), read["ETag"]) == (body, response["ETag"])
    assert (body["name"], body["description"], body["end_date"], body["parent"]) == ("Herbarium", "", None, None)


def test_create_initiative_with_everything(editor: APIClient, least: dict[str, Any]) -> None:
    parent, campus, member = InitiativeFactory(name="Coast", kind="program"), CampusFactory(code="VIX"), PersonFactory()
    groups, areas = GroupFactory.create_batch(2), KnowledgeAreaFactory.create_batch(2)
    response = editor.post(
        URL,
        least
        | {
            "description": "Plants of the coast.",
            "end_date": "2024-03-01",
            "parent": parent.pk,
            "campus": campus.pk,
            "groups": [row.pk for row in groups],
            "knowledge_areas": [row.pk for row in areas],
            "team": [{"person": member.pk, "role": "student"}],
        },
        format="json",
    )
    assert response.status_code == 201
    body = response.json()
    assert body["description"] == "Plants of the coast."
    assert body["end_date"] == "2024-03-01"
    assert body["parent"] == {"id": parent.pk, "name": "Coast", "kind": "program"}
    assert body["campus"]["code"] == "VIX"
    assert [row["id"] for row in body["groups"]] == [row.pk for row in groups]
    assert [row["id"] for row in body["knowledge_areas"]] == [row.pk for row in areas]
    assert body["team"] == [{"person": {"id": member.pk, "name": member.name}, "role": "student"}]


def test_create_initiative_names_campus_by_code(editor: APIClient, least: dict[str, Any]) -> None:
    CampusFactory(code="VIX")
    assert editor.post(URL, least | {"campus": "vix"}, format="json").json()["campus"]["code"] == "VIX"


def test_create_initiative_looks_a_team_up_in_one_query(
    editor: APIClient, least: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    team = [{"person": person.pk, "role": "member"} for person in PersonFactory.create_batch(40)]
    with django_assert_max_num_queries(12):
        assert editor.post(URL, least | {"team": team}, format="json").json()["team_count"] == 40


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"name": "  "}, {"name": ["This field may not be blank."]}),
        ({"name": "x" * 301}, {"name": ["Ensure this field has no more than 300 characters."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"kind": "meeting"}, {"kind": ['"meeting" is not a valid choice.']}),
        (
            {"start_date": "1.3.2024"},
            {"start_date": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]},
        ),
        ({"end_date": "2024-02-29"}, {"end_date": ["The end cannot be before the start."]}),
        ({"coordinator": 999_999}, {"coordinator": ["There is none with the id 999999."]}),
        ({"coordinator": None}, {"coordinator": ["This field may not be null."]}),
        ({"parent": 999_999}, {"parent": ["There is none with the id 999999."]}),
        ({"parent": "x"}, {"parent": ["A valid integer is required."]}),
        ({"campus": "nowhere"}, {"campus": ["There is none with the code nowhere."]}),
        ({"groups": [999_999]}, {"groups": ["There is none with the id 999999."]}),
        ({"knowledge_areas": 1}, {"knowledge_areas": ['Expected a list of items but got type "int".']}),
        ({"team": [{"person": 999_999, "role": "boss"}]}, {"team": {"0": {"role": ['"boss" is not a valid choice.']}}}),
        (
            {"team": [{"person": 999_999, "role": "member"}]},
            {"team": {"0": {"person": ["There is none with the id 999999."]}}},
        ),
    ],
)
def test_create_initiative_refuses(
    editor: APIClient, least: dict[str, Any], values: dict[str, Any], errors: dict[str, Any]
) -> None:
    response = editor.post(URL, least | values, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert not Initiative.objects.exists()


def test_create_initiative_names_all_that_is_missing(editor: APIClient) -> None:
    required = ["This field is required."]
    assert editor.post(URL, {}, format="json").json()["errors"] == {
        "name": required,
        "kind": required,
        "start_date": required,
        "coordinator": required,
    }


def test_create_initiative_person_twice_on_team(editor: APIClient, least: dict[str, Any], coordinator: Person) -> None:
    """The error stands where the second entry does."""
    team = [{"person": coordinator.pk, "role": "member"}, {"person": coordinator.pk, "role": "student"}]
    response = editor.post(URL, least | {"team": team}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"team": {"1": {"person": ["This person is on the team already."]}}}


def test_create_initiative_team_too_large(editor: APIClient, least: dict[str, Any], coordinator: Person) -> None:
    team = [{"person": coordinator.pk, "role": "member"}] * 501
    response = editor.post(URL, least | {"team": team}, format="json")
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["team"]


def test_create_initiative_refuses_another_verb(editor: APIClient) -> None:
    assert editor.delete(URL).status_code == 405
