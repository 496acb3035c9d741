"""`GET /api/v1/groups/`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from onestep.groups.models import Group
from tests.factories import (
    CampusFactory,
    GroupFactory,
    KnowledgeAreaFactory,
    LeadershipFactory,
    MembershipFactory,
    PersonFactory,
)

URL = "/api/v1/groups/"


def names(response: object) -> list[str]:
    return [row["short_name"] for row in response.json()["results"]]  # type: ignore[attr-defined]


def test_list_groups_anonymous(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401


def test_list_groups_without_permission(outsider: APIClient) -> None:
    assert outsider.get(URL).status_code == 403


def test_list_groups_complete(reader: APIClient) -> None:
    campus = CampusFactory(name="Vitória", code="VIX")
    group = GroupFactory(name="Seeds of the Forest", short_name="SEEDS", url="https://seeds.example.org", campus=campus)
    areas = [KnowledgeAreaFactory(name=name) for name in ("Botany", "Água")]
    group.knowledge_areas.set(areas)
    people = [PersonFactory(name=name) for name in ("Zoë", "Ávila", "Bento")]
    for person in people:
        MembershipFactory(group=group, person=person)
    today = timezone.localdate()
    leads = LeadershipFactory(group=group, person=people[0], start_date=today)
    soon_over = LeadershipFactory(group=group, person=people[1], end_date=today + timedelta(days=1))
    LeadershipFactory(group=group, person=people[2], end_date=today)
    LeadershipFactory(group=group, start_date=today + timedelta(days=1))
    [row] = reader.get(URL).json()["results"]
    assert row.pop("created_at").startswith(f"{group.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{group.updated_at:%Y-%m-%dT%H:%M}")
    assert row == {
        "id": group.pk,
        "name": "Seeds of the Forest",
        "short_name": "SEEDS",
        "kind": "research",
        "url": "https://seeds.example.org",
        "campus": {"id": campus.pk, "name": "Vitória", "code": "VIX"},
        "knowledge_areas": [{"id": areas[1].pk, "name": "Água"}, {"id": areas[0].pk, "name": "Botany"}],
        "leaders": [
            {"id": soon_over.pk, "person": {"id": people[1].pk, "name": "Ávila"}, "start_date": "2024-03-01"},
            {"id": leads.pk, "person": {"id": people[0].pk, "name": "Zoë"}, "start_date": today.isoformat()},
        ],
        "members_count": 3,
        "members": [
            {"id": people[1].pk, "name": "Ávila"},
            {"id": people[2].pk, "name": "Bento"},
            {"id": people[0].pk, "name": "Zoë"},
        ],
    }


def test_list_groups_shows_fifty_members(reader: APIClient) -> None:
    group = GroupFactory()
    for number in range(52):
        MembershipFactory(group=group, person__name=f"Person {number:02}")
    [row] = reader.get(URL).json()["results"]
    assert row["members_count"] == 52
    assert [person["name"] for person in row["members"]] == [f"Person {number:02}" for number in range(50)]


@pytest.mark.parametrize("rows", [1, 30])
def test_list_groups_takes_two_queries(reader: APIClient, django_assert_num_queries: object, rows: int) -> None:
    """One for the user and the permissions, one for the page."""
    for group in GroupFactory.create_batch(rows):
        MembershipFactory.create_batch(2, group=group)
        LeadershipFactory(group=group)
        group.knowledge_areas.add(KnowledgeAreaFactory())
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


@pytest.fixture
def seeds(db: None) -> Group:
    """A group of research with two members, two areas, one who leads and one who led."""
    group = GroupFactory(
        name="Sementes da Mata", short_name="SEEDS", kind="research", campus=CampusFactory(name="Vitória", code="VIX")
    )
    group.knowledge_areas.set([KnowledgeAreaFactory(name="Botany"), KnowledgeAreaFactory(name="Soil")])
    MembershipFactory(group=group, person__name="Ana")
    MembershipFactory(group=group, person__name="Bia")
    leader = PersonFactory(name="Leader")
    LeadershipFactory(group=group, person=leader, start_date="2020-01-01", end_date="2021-01-01")
    LeadershipFactory(group=group, person=leader, start_date="2022-01-01")
    LeadershipFactory(group=group, person__name="Former", start_date="2020-01-01", end_date="2021-01-01")
    return group


@pytest.fixture
def tides(db: None) -> Group:
    """A group of extension."""
    return GroupFactory(
        name="Marés", short_name="Marés", kind="extension", campus=CampusFactory(name="Serra", code="SRR")
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"campus_code": "vix"}, ["SEEDS"]),
        ({"kind": "research"}, ["SEEDS"]),
        ({"kind": "extension"}, ["Marés"]),
        ({"short_name": "MARES"}, ["Marés"]),
        ({"short_name": "MAR"}, []),
        ({"search": "mares"}, ["Marés"]),
        ({"search": "mata seeds"}, ["SEEDS"]),
        ({"search": "mata", "kind": "extension"}, []),
        ({}, ["Marés", "SEEDS"]),
        ({"ordering": "-name"}, ["SEEDS", "Marés"]),
        ({"ordering": "short_name"}, ["Marés", "SEEDS"]),
        ({"ordering": "created_at"}, ["SEEDS", "Marés"]),
    ],
)
def test_list_groups_filtered(
    reader: APIClient, seeds: Group, tides: Group, query: dict[str, str], found: list[str]
) -> None:
    assert names(reader.get(URL, query)) == found


def test_list_groups_filtered_by_relations(reader: APIClient, seeds: Group, tides: Group) -> None:
    """A group is there once, however many of its rows match; who led it before is not its leader."""
    assert names(reader.get(URL, {"campus": seeds.campus_id})) == ["SEEDS"]
    for area in seeds.knowledge_areas.all():
        assert names(reader.get(URL, {"knowledge_area": area.pk})) == ["SEEDS"]
    for person in seeds.members.all():
        assert names(reader.get(URL, {"member": person.pk})) == ["SEEDS"]
    leader = seeds.leaderships.get(end_date=None).person
    assert names(reader.get(URL, {"leader": leader.pk, "count": "true"})) == ["SEEDS"]
    assert reader.get(URL, {"leader": leader.pk, "count": "true"}).json()["count"] == 1
    assert names(reader.get(URL, {"leader": seeds.leaderships.get(person__name="Former").person_id})) == []
    member = seeds.members.get(name="Ana")
    assert names(reader.get(URL, {"member": member.pk, "leader": leader.pk, "kind": "research"})) == ["SEEDS"]


def test_list_groups_filtered_takes_three_queries(
    reader: APIClient, seeds: Group, django_assert_num_queries: object
) -> None:
    """One more looks whether the rows are there that the filters name, all of them at once."""
    leader = seeds.leaderships.get(end_date=None).person
    query = {"campus": seeds.campus_id, "campus_code": "VIX", "leader": leader.pk, "search": "mata"}
    with django_assert_num_queries(3):  # type: ignore[operator]
        assert names(reader.get(URL, query)) == ["SEEDS"]


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"campus": "x"}, {"campus": ["Enter a number."]}),
        ({"campus": "-1"}, {"campus": ["Ensure this value is greater than or equal to 1."]}),
        (
            {"campus": "99", "leader": "98"},
            {name: [f"There is none with the id {pk}."] for name, pk in (("campus", 99), ("leader", 98))},
        ),
        ({"campus_code": "NOWHERE"}, {"campus_code": ["There is none with the code NOWHERE."]}),
        (
            {"kind": "other"},
            {"kind": ["Select a valid choice. other is not one of the available choices."]},
        ),
        ({"kind": " "}, {"kind": ["Give it a value, or leave it out."]}),
        ({"members": "1"}, {"members": ["There is no such filter."]}),
    ],
)
def test_list_groups_invalid(reader: APIClient, query: dict[str, str], errors: dict[str, list[str]]) -> None:
    response = reader.get(URL, query)
    assert response.status_code == 400
    assert response.json()["errors"] == errors
