"""`GET /api/v1/people/<id>/`."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from tests.factories import InitiativeFactory, PersonFactory, TeamMemberFactory

URL = "/api/v1/people/"


def test_retrieve_person_anonymous(anonymous: APIClient, db: None) -> None:
    assert anonymous.get(f"{URL}{PersonFactory().pk}/").status_code == 401


def test_retrieve_person_outsider(outsider: APIClient) -> None:
    response = outsider.get(f"{URL}{PersonFactory().pk}/")
    assert response.status_code == 403
    assert response.json()["detail"] == "You do not have permission to perform this action."


def test_retrieve_person_complete(reader: APIClient) -> None:
    person = PersonFactory(name="Zoë Ávila", email=None, phone="")
    project = InitiativeFactory(name="Herbarium", coordinator=person)
    fair = InitiativeFactory(name="Fair", kind="event")
    TeamMemberFactory(initiative=fair, person=person, role="student")
    response = reader.get(f"{URL}{person.pk}/")
    assert response.status_code == 200
    body = response.json()
    assert datetime.fromisoformat(body.pop("created_at")) == person.created_at
    assert datetime.fromisoformat(body.pop("updated_at")) == person.updated_at
    assert body == {
        "id": person.pk,
        "name": "Zoë Ávila",
        "email": None,
        "phone": "",
        "coordinates_count": 1,
        "coordinates": [{"id": project.pk, "name": "Herbarium", "kind": "project"}],
        "teams_count": 1,
        "teams": [{"id": fair.pk, "name": "Fair", "kind": "event", "role": "student"}],
    }


def test_retrieve_person_names_the_latest_twenty(reader: APIClient) -> None:
    """The lists are bounded; the counts are not."""
    person = PersonFactory()
    for day in range(21):
        initiative = InitiativeFactory(
            name=f"Day {day}", coordinator=person, start_date=date(2024, 1, 1) + timedelta(days=day)
        )
        TeamMemberFactory(initiative=initiative, person=person)
    body = reader.get(f"{URL}{person.pk}/").json()
    latest = [f"Day {day}" for day in range(20, 0, -1)]
    assert [row["name"] for row in body["coordinates"]] == latest
    assert [row["name"] for row in body["teams"]] == latest
    assert (body["coordinates_count"], body["teams_count"]) == (21, 21)


def test_retrieve_person_takes_two_queries(reader: APIClient, django_assert_num_queries: object) -> None:
    """One for the user and the permissions, one for the person."""
    person = PersonFactory()
    InitiativeFactory.create_batch(3, coordinator=person)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert reader.get(f"{URL}{person.pk}/").status_code == 200


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 18])
def test_retrieve_person_unknown(reader: APIClient, pk: str) -> None:
    response = reader.get(f"{URL}{pk}/")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "There is no such person."


@pytest.mark.parametrize("pk", ["x", "-1", "1.5", "9" * 19])
def test_retrieve_person_id_that_is_none(reader: APIClient, pk: str) -> None:
    response = reader.get(f"{URL}{pk}/")
    assert response.status_code == 404
    assert response.json()["type"] == "urn:onestep:problem:not_found"


def test_retrieve_person_not_modified(reader: APIClient) -> None:
    """304 as long as nothing of the document changes, what the person coordinates included."""
    person = PersonFactory()
    address = f"{URL}{person.pk}/"
    tag = reader.get(address)["ETag"]
    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = reader.get(address, headers={"If-None-Match": held})
        assert response.status_code == 304
        assert response.content == b""
        assert response["ETag"] == tag
    InitiativeFactory(coordinator=person)
    response = reader.get(address, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response["ETag"] != tag
