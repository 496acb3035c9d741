"""`POST /api/v1/leaderships/`."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from onestep.groups.models import Leadership
from tests.factories import GroupFactory, LeadershipFactory, PersonFactory

URL = "/api/v1/leaderships/"


@pytest.fixture
def values(db: None) -> dict[str, Any]:
    return {"group": GroupFactory(short_name="SEEDS").pk, "person": PersonFactory(name="Ana").pk}


def test_create_leadership_anonymous(anonymous: APIClient, values: dict[str, Any]) -> None:
    assert anonymous.post(URL, values, format="json").status_code == 401


def test_create_leadership_reader(reader: APIClient, values: dict[str, Any]) -> None:
    assert reader.post(URL, values, format="json").status_code == 403
    assert not Leadership.objects.exists()


def test_create_leadership_from_today(editor: APIClient, values: dict[str, Any]) -> None:
    response = editor.post(URL, values, format="json")
    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}{body['id']}/"
    assert (body["group"]["short_name"], body["person"]["name"]) == ("SEEDS", "Ana")
    assert (body["start_date"], body["end_date"], body["active"]) == (timezone.localdate().isoformat(), None, True)
    [leader] = editor.get(f"/api/v1/groups/{values['group']}/").json()["leaders"]
    assert leader["id"] == body["id"]


def test_create_leadership_as_history(editor: APIClient, values: dict[str, Any]) -> None:
    dates = {"start_date": "2020-01-01", "end_date": "2021-06-30"}
    body = editor.post(URL, values | dates, format="json").json()
    assert (body["start_date"], body["end_date"], body["active"]) == ("2020-01-01", "2021-06-30", False)


@pytest.mark.parametrize(
    ("dates", "errors"),
    [
        ({"start_date": "2025-01-01"}, {"person": ["This person leads the group already."]}),
        (
            {"start_date": "2022-01-01", "end_date": "2022-02-01"},
            {"start_date": ["This person leads the group in a part of this time already."]},
        ),
    ],
)
def test_create_leadership_twice(
    editor: APIClient, values: dict[str, Any], dates: dict[str, str], errors: dict[str, list[str]]
) -> None:
    LeadershipFactory(group_id=values["group"], person_id=values["person"], start_date="2020-01-01", end_date=None)
    response = editor.post(URL, values | dates, format="json")
    assert response.status_code == 400
    assert response.json()["type"] == "urn:onestep:problem:invalid"
    assert response.json()["errors"] == errors
    assert Leadership.objects.count() == 1


def test_create_leadership_beside_others(editor: APIClient, values: dict[str, Any]) -> None:
    """A group may have several leaders, and a person lead several groups."""
    LeadershipFactory(group_id=values["group"])
    LeadershipFactory(person_id=values["person"])
    assert editor.post(URL, values, format="json").status_code == 201


def test_create_leadership_again(editor: APIClient, values: dict[str, Any]) -> None:
    """Who led before may lead again, from the day on which the former leadership ended; the former one stays."""
    former = LeadershipFactory(
        group_id=values["group"], person_id=values["person"], start_date="2020-01-01", end_date="2021-06-30"
    )
    response = editor.post(URL, values | {"start_date": "2021-06-30"}, format="json")
    assert response.status_code == 201
    assert response.json()["id"] != former.pk
    former.refresh_from_db()
    assert former.end_date.isoformat() == "2021-06-30"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"group": 99}, {"group": ["There is none with the id 99."]}),
        ({"person": None}, {"person": ["This field may not be null."]}),
        (
            {"start_date": "yesterday"},
            {"start_date": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]},
        ),
        (
            {"start_date": "2024-01-02", "end_date": "2024-01-01"},
            {"end_date": ["The end cannot be before the start."]},
        ),
        ({"end_date": "2024-01-01"}, {"end_date": ["The end cannot be before the start."]}),
    ],
)
def test_create_leadership_invalid(
    editor: APIClient, values: dict[str, Any], changes: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    response = editor.post(URL, values | changes, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors
    assert not Leadership.objects.exists()
