"""`GET /api/v1/leaderships/`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from onestep.groups.models import Leadership
from tests.factories import CampusFactory, GroupFactory, LeadershipFactory, PersonFactory

URL = "/api/v1/leaderships/"


def test_list_leaderships_anonymous(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401


def test_list_leaderships_without_permission(outsider: APIClient) -> None:
    assert outsider.get(URL).status_code == 403


def test_list_leaderships_complete(reader: APIClient) -> None:
    leadership = LeadershipFactory(group__name="Seeds", group__short_name="S", person__name="Ana")
    [row] = reader.get(URL).json()["results"]
    assert row.pop("created_at").startswith(f"{leadership.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{leadership.updated_at:%Y-%m-%dT%H:%M}")
    assert row == {
        "id": leadership.pk,
        "group": {"id": leadership.group_id, "name": "Seeds", "short_name": "S"},
        "person": {"id": leadership.person_id, "name": "Ana"},
        "start_date": "2024-03-01",
        "end_date": None,
        "active": True,
    }


@pytest.mark.parametrize("rows", [1, 30])
def test_list_leaderships_takes_two_queries(reader: APIClient, django_assert_num_queries: object, rows: int) -> None:
    LeadershipFactory.create_batch(rows)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


@pytest.mark.parametrize(
    ("start", "end", "active"),
    [(0, None, True), (0, 1, True), (-1, 0, False), (0, 0, False), (1, None, False), (1, 2, False)],
)
def test_list_leaderships_active(reader: APIClient, start: int, end: int | None, active: bool) -> None:
    """From the day of the start, and no more on the day of the end. The filter agrees with the document."""
    today = timezone.localdate()
    LeadershipFactory(
        start_date=today + timedelta(days=start), end_date=None if end is None else today + timedelta(days=end)
    )
    [row] = reader.get(URL).json()["results"]
    assert row["active"] is active
    assert len(reader.get(URL, {"active": "true"}).json()["results"]) == (1 if active else 0)
    assert len(reader.get(URL, {"active": "false"}).json()["results"]) == (0 if active else 1)


@pytest.fixture
def history(db: None) -> dict[str, Leadership]:
    seeds = GroupFactory(name="Seeds", campus=CampusFactory(code="VIX"))
    tides = GroupFactory(name="Tides")
    ana, bia = PersonFactory(name="Ana Conceição"), PersonFactory(name="Bia")
    return {
        "first": LeadershipFactory(group=seeds, person=ana, start_date="2020-01-01", end_date="2021-06-30"),
        "again": LeadershipFactory(group=seeds, person=ana, start_date="2022-01-01"),
        "other": LeadershipFactory(group=tides, person=bia, start_date="2021-01-01", end_date="2022-06-30"),
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["again", "other", "first"]),
        ({"ordering": "start_date"}, ["first", "other", "again"]),
        ({"ordering": "end_date"}, ["first", "other", "again"]),
        ({"ordering": "-end_date"}, ["again", "other", "first"]),
        ({"ordering": "created_at"}, ["first", "again", "other"]),
        ({"start_date_after": "2021-01-01"}, ["again", "other"]),
        ({"start_date_before": "2021-01-01"}, ["other", "first"]),
        ({"end_date_after": "2022-06-30"}, ["other"]),
        ({"end_date_before": "2021-06-30"}, ["first"]),
        ({"search": "CONCEICAO"}, ["again", "first"]),
        ({"search": "tides"}, ["other"]),
    ],
)
def test_list_leaderships_filtered(
    reader: APIClient, history: dict[str, Leadership], query: dict[str, str], found: list[str]
) -> None:
    ids = [row["id"] for row in reader.get(URL, query).json()["results"]]
    assert ids == [history[name].pk for name in found]


def test_list_leaderships_filtered_by_relations(reader: APIClient, history: dict[str, Leadership]) -> None:
    first, again, other = (history[name] for name in ("first", "again", "other"))
    for query, found in [
        ({"group": first.group_id}, [again, first]),
        ({"person": other.person_id}, [other]),
        ({"campus": first.group.campus_id}, [again, first]),
        ({"person": first.person_id, "active": "false"}, [first]),
    ]:
        ids = [row["id"] for row in reader.get(URL, query).json()["results"]]
        assert ids == [row.pk for row in found]


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"active": "maybe"}, {"active": ["Select a valid choice. maybe is not one of the available choices."]}),
        ({"active": "1"}, {"active": ["Select a valid choice. 1 is not one of the available choices."]}),
        ({"start_date_after": "01/02/2024"}, {"start_date_after": ["Enter a valid date."]}),
        ({"end_date_before": "2024-02-30"}, {"end_date_before": ["Enter a valid date."]}),
        ({"group": "9"}, {"group": ["There is none with the id 9."]}),
        ({"end_date": "2024-01-01"}, {"end_date": ["There is no such filter."]}),
    ],
)
def test_list_leaderships_invalid(reader: APIClient, query: dict[str, str], errors: dict[str, list[str]]) -> None:
    response = reader.get(URL, query)
    assert response.status_code == 400
    assert response.json()["errors"] == errors


@pytest.mark.parametrize("ordering", ["start_date", "end_date", "created_at"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_list_leaderships_pages_with_ties_and_nulls(reader: APIClient, ordering: str, sign: str) -> None:
    """Every row once, forwards and back; those without an end come after all others."""
    ends = [None, date(2024, 6, 1), None, date(2024, 6, 1), date(2024, 5, 1), None, date(9999, 12, 31)]
    ids = {LeadershipFactory(end_date=end).pk for end in ends}
    pages: list[list[int]] = []
    url = f"{URL}?ordering={sign}{ordering}&page_size=2"
    last = ""
    while url:
        body = reader.get(url).json()
        pages.append([row["id"] for row in body["results"]])
        last, url = url, body["next"]
    seen = [pk for page in pages for pk in page]
    assert len(seen) == len(ids)
    assert set(seen) == ids
    back: list[list[int]] = []
    url = reader.get(last).json()["previous"]
    while url:
        body = reader.get(url).json()
        back.append([row["id"] for row in body["results"]])
        url = body["previous"]
    assert back == pages[-2::-1]
