"""`GET`, `PUT`, `PATCH` and `DELETE /api/v1/leaderships/{id}/`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from onestep.groups.models import Leadership
from tests.factories import GroupFactory, LeadershipFactory, PersonFactory


@pytest.fixture
def leadership(db: None) -> Leadership:
    return LeadershipFactory(start_date="2024-03-01")


@pytest.fixture
def url(leadership: Leadership) -> str:
    return f"/api/v1/leaderships/{leadership.pk}/"


@pytest.fixture
def ended(db: None) -> Leadership:
    return LeadershipFactory(
        person__name="Ana", group__short_name="SEEDS", start_date="2024-03-01", end_date="2025-03-01"
    )


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_update_leadership_anonymous(anonymous: APIClient, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url).status_code == 401


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_update_leadership_without_permission(outsider: APIClient, url: str, verb: str) -> None:
    assert getattr(outsider, verb)(url).status_code == 403


@pytest.mark.parametrize("verb", ["put", "patch", "delete"])
def test_update_leadership_reader(reader: APIClient, leadership: Leadership, url: str, verb: str) -> None:
    assert reader.get(url).status_code == 200
    assert getattr(reader, verb)(url, {"end_date": "2025-01-01"}, format="json").status_code == 403
    leadership.refresh_from_db()
    assert leadership.end_date is None


def test_update_leadership_ends_it(editor: APIClient, leadership: Leadership, url: str) -> None:
    today = timezone.localdate().isoformat()
    response = editor.patch(url, {"end_date": today}, format="json")
    assert response.status_code == 200
    assert (response.json()["end_date"], response.json()["active"]) == (today, False)
    assert editor.get(f"/api/v1/groups/{leadership.group_id}/").json()["leaders"] == []


def test_update_leadership_corrects_the_start(editor: APIClient, url: str) -> None:
    assert editor.patch(url, {"start_date": "2024-02-01"}, format="json").json()["start_date"] == "2024-02-01"


def test_update_leadership_moves_an_end_to_come(editor: APIClient, url: str) -> None:
    """It has not ended before that day, so its dates may change."""
    today = timezone.localdate()
    for days in (30, 60):
        end = (today + timedelta(days=days)).isoformat()
        body = editor.patch(url, {"end_date": end}, format="json").json()
        assert (body["end_date"], body["active"]) == (end, True)
    assert editor.patch(url, {"end_date": None}, format="json").json()["end_date"] is None


@pytest.mark.parametrize(
    "changes", [{"end_date": None}, {"end_date": "2025-04-01"}, {"start_date": "2024-01-01"}], ids=str
)
def test_update_leadership_that_has_ended(editor: APIClient, ended: Leadership, changes: dict[str, str | None]) -> None:
    response = editor.patch(f"/api/v1/leaderships/{ended.pk}/", changes, format="json")
    assert response.status_code == 409
    body = response.json()
    del body["request_id"]
    assert body == {
        "type": "urn:onestep:problem:leadership_ended",
        "title": "Conflict",
        "status": 409,
        "detail": "Ana led SEEDS until 2025-03-01, and an ended leadership keeps its dates. "
        "To appoint the person again, make a new one.",
        "start_date": "2024-03-01",
        "end_date": "2025-03-01",
    }
    ended.refresh_from_db()
    assert (ended.start_date.isoformat(), ended.end_date.isoformat()) == ("2024-03-01", "2025-03-01")


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_leadership_that_has_ended_to_what_it_is(editor: APIClient, ended: Leadership, verb: str) -> None:
    """To repeat the request that ended it is no change."""
    url = f"/api/v1/leaderships/{ended.pk}/"
    before = editor.get(url)
    values = {"group": ended.group_id, "person": ended.person_id, "start_date": "2024-03-01", "end_date": "2025-03-01"}
    response = getattr(editor, verb)(url, values, format="json")
    assert response.status_code == 200
    assert response["ETag"] == before["ETag"]


def test_update_leadership_keeps_group_and_person(editor: APIClient, leadership: Leadership, url: str) -> None:
    values = {"group": GroupFactory().pk, "person": PersonFactory().pk, "start_date": "2024-01-01"}
    response = editor.put(url, values, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {
        "group": ["A leadership keeps its group. End this one, and make a new one."],
        "person": ["A leadership keeps its person. End this one, and make a new one."],
    }
    leadership.refresh_from_db()
    assert leadership.start_date.isoformat() == "2024-03-01"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"end_date": "2024-02-01"}, {"end_date": ["The end cannot be before the start."]}),
        (
            {"start_date": "2023-06-01"},
            {"start_date": ["This person leads the group in a part of this time already."]},
        ),
    ],
)
def test_update_leadership_invalid(
    editor: APIClient, leadership: Leadership, url: str, changes: dict[str, str], errors: dict[str, list[str]]
) -> None:
    LeadershipFactory(group=leadership.group, person=leadership.person, start_date="2023-01-01", end_date="2024-01-01")
    response = editor.patch(url, changes, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == errors


@pytest.mark.parametrize("verb", ["patch", "delete"])
def test_update_leadership_stale(editor: APIClient, leadership: Leadership, url: str, verb: str) -> None:
    tag = editor.get(url)["ETag"]
    editor.patch(url, {"start_date": "2024-02-01"}, format="json")
    response = getattr(editor, verb)(url, {"end_date": "2025-01-01"}, format="json", headers={"If-Match": tag})
    assert response.status_code == 412
    leadership.refresh_from_db()
    assert leadership.end_date is None


def test_delete_leadership(editor: APIClient, url: str) -> None:
    """For one that was entered by mistake."""
    assert editor.delete(url).status_code == 204
    assert editor.get(url).status_code == 404
