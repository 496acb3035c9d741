"""`GET /api/v1/people/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import InitiativeFactory, MembershipFactory, PersonFactory, TeamMemberFactory

URL = "/api/v1/people/"


def test_list_people_anonymous(anonymous: APIClient) -> None:
    response = anonymous.get(URL)
    assert response.status_code == 401
    body = response.json()
    del body["request_id"]
    assert body == {
        "type": "urn:onestep:problem:not_authenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Authentication credentials were not provided.",
    }


def test_list_people_without_permission(outsider: APIClient) -> None:
    response = outsider.get(URL)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "urn:onestep:problem:forbidden"


def test_list_people_complete(reader: APIClient) -> None:
    person = PersonFactory(name="Zoë Ávila", email="zoe@example.org", phone="123")
    project = InitiativeFactory(name="Herbarium", coordinator=person)
    TeamMemberFactory(
        initiative=InitiativeFactory(name="Fair", kind="event", coordinator=person), person=person, role="student"
    )
    response = reader.get(URL)
    assert response.status_code == 200
    body = response.json()
    [row] = body["results"]
    assert body["next"] is None
    assert body["previous"] is None
    assert row.pop("created_at").startswith(f"{person.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{person.updated_at:%Y-%m-%dT%H:%M}")
    fair = {"id": project.pk + 1, "name": "Fair", "kind": "event"}
    assert row == {
        "id": person.pk,
        "name": "Zoë Ávila",
        "email": "zoe@example.org",
        "phone": "123",
        "coordinates_count": 2,
        "coordinates": [fair, {"id": project.pk, "name": "Herbarium", "kind": "project"}],
        "teams_count": 1,
        "teams": [{**fair, "role": "student"}],
    }


@pytest.mark.parametrize("rows", [1, 30])
def test_list_people_takes_two_queries(reader: APIClient, django_assert_num_queries: object, rows: int) -> None:
    """One for the user and the permissions, one for the page."""
    PersonFactory.create_batch(rows)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


def test_list_people_search_ignores_case_and_accents(reader: APIClient) -> None:
    PersonFactory(name="João Conceição")
    PersonFactory(name="Joana Prado")
    names = [row["name"] for row in reader.get(URL, {"search": "CONCEICAO joao"}).json()["results"]]
    assert names == ["João Conceição"]


def test_list_people_unknown_filter(reader: APIClient) -> None:
    response = reader.get(URL, {"nmae": "x"})
    assert response.status_code == 400
    assert response.json()["errors"] == {"nmae": ["There is no such filter."]}


@pytest.mark.parametrize("email", ["zoe@example.org", "ZOE@Example.ORG"])
def test_list_people_by_email(reader: APIClient, email: str) -> None:
    person = PersonFactory(email="Zoe@example.org")
    PersonFactory(email="zoe@example.com")
    assert [row["id"] for row in reader.get(URL, {"email": email}).json()["results"]] == [person.pk]


def test_list_people_by_what_they_do(reader: APIClient) -> None:
    """Nobody is in a list twice for doing more than one thing."""
    member = MembershipFactory(person=PersonFactory(name="a"))
    initiative = InitiativeFactory(coordinator=PersonFactory(name="b"))
    InitiativeFactory(coordinator=initiative.coordinator)
    on_team = TeamMemberFactory(initiative=initiative, person=PersonFactory(name="c"))

    def found(**filters: object) -> list[str]:
        return [row["name"] for row in reader.get(URL, filters).json()["results"]]

    assert found(coordinates="true") == ["b"]
    assert found(coordinates="false") == ["a", "c"]
    assert found(group=member.group_id) == ["a"]
    assert found(team_of=on_team.initiative_id) == ["c"]
    assert found(team_of=on_team.initiative_id, coordinates="true") == []


@pytest.mark.parametrize(
    ("filters", "errors"),
    [
        (
            {"coordinates": "maybe"},
            {"coordinates": ["Select a valid choice. maybe is not one of the available choices."]},
        ),
        ({"group": "999999"}, {"group": ["There is none with the id 999999."]}),
        ({"team_of": "999999"}, {"team_of": ["There is none with the id 999999."]}),
        ({"team_of": "x"}, {"team_of": ["Enter a number."]}),
        ({"email": ""}, {"email": ["Give it a value, or leave it out."]}),
        (
            {"ordering": "phone"},
            {"ordering": ["'phone' is not one of created_at, name; a leading - reverses the order."]},
        ),
    ],
)
def test_list_people_invalid_filter(reader: APIClient, filters: dict[str, str], errors: dict[str, list[str]]) -> None:
    response = reader.get(URL, filters)
    assert response.status_code == 400
    assert response.json()["errors"] == errors


def test_list_people_counts_on_request(reader: APIClient) -> None:
    PersonFactory.create_batch(3)
    assert "count" not in reader.get(URL).json()
    body = reader.get(URL, {"count": "true", "page_size": 2}).json()
    assert (body["count"], len(body["results"])) == (3, 2)


def test_list_people_ordering(reader: APIClient) -> None:
    """Names are ordered without regard to case and accents."""
    for name in ["Álvaro", "ana", "Zoë", "Bia"]:
        PersonFactory(name=name)
    names = [row["name"] for row in reader.get(URL).json()["results"]]
    assert names == ["Álvaro", "ana", "Bia", "Zoë"]
    names = [row["name"] for row in reader.get(URL, {"ordering": "-created_at"}).json()["results"]]
    assert names == ["Bia", "Zoë", "ana", "Álvaro"]
