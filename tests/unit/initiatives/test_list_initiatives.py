"""`GET /api/v1/initiatives/`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from onestep.initiatives.models import Initiative, Status
from tests.factories import (
    AttachmentFactory,
    CampusFactory,
    GroupFactory,
    InitiativeFactory,
    KnowledgeAreaFactory,
    PersonFactory,
    TeamMemberFactory,
)

URL = "/api/v1/initiatives/"


def names(response: Any) -> list[str]:
    """The names on a page, in its order."""
    assert response.status_code == 200, response.json()
    return [row["name"] for row in response.json()["results"]]


def today() -> date:
    """The database's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_DATE")
        return cursor.fetchone()[0]


def test_list_initiatives_anonymous(anonymous: APIClient) -> None:
    response = anonymous.get(URL)
    assert response.status_code == 401
    assert response.json()["type"] == "urn:onestep:problem:not_authenticated"


def test_list_initiatives_outsider(outsider: APIClient) -> None:
    response = outsider.get(URL)
    assert response.status_code == 403
    assert response.json()["type"] == "urn:onestep:problem:forbidden"


def test_list_initiatives_complete(reader: APIClient) -> None:
    """Everything that a client shows of an initiative is in its row."""
    ana = PersonFactory(name="Ana Prado", email="ana@example.org")
    campus = CampusFactory(name="Vitória", code="VIX")
    program = InitiativeFactory(name="Coast", kind="program", coordinator=ana, start_date=date(2020, 1, 1))
    project = InitiativeFactory(
        name="Herbarium",
        description="Plants of the coast.",
        kind="project",
        start_date=date(2021, 2, 3),
        end_date=date(2022, 4, 5),
        parent=program,
        coordinator=ana,
        campus=campus,
    )
    group = GroupFactory(name="Botany of the coast", short_name="BOT", campus=campus)
    area = KnowledgeAreaFactory(name="Botany")
    project.groups.add(group)
    project.knowledge_areas.add(area)
    student = TeamMemberFactory(initiative=project, person__name="Bia Luz", role="student").person
    AttachmentFactory(initiative=project)
    InitiativeFactory(parent=project, start_date=date(2020, 1, 1))
    response = reader.get(URL, {"kind": "project", "parent": program.pk})
    body = response.json()
    [row] = body["results"]
    assert (body["next"], body["previous"]) == (None, None)
    assert row.pop("created_at").startswith(f"{project.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{project.updated_at:%Y-%m-%dT%H:%M}")
    assert row == {
        "id": project.pk,
        "name": "Herbarium",
        "description": "Plants of the coast.",
        "kind": "project",
        "status": "completed",
        "start_date": "2021-02-03",
        "end_date": "2022-04-05",
        "parent": {"id": program.pk, "name": "Coast", "kind": "program"},
        "coordinator": {"id": ana.pk, "name": "Ana Prado", "email": "ana@example.org"},
        "campus": {"id": campus.pk, "name": "Vitória", "code": "VIX"},
        "groups": [{"id": group.pk, "name": "Botany of the coast", "short_name": "BOT"}],
        "knowledge_areas": [{"id": area.pk, "name": "Botany"}],
        "team_count": 1,
        "team": [{"person": {"id": student.pk, "name": "Bia Luz"}, "role": "student"}],
        "children_count": 1,
        "attachments_count": 1,
    }


def test_list_initiatives_bare(reader: APIClient) -> None:
    """What is not known is null or empty, never left out."""
    bare = InitiativeFactory(coordinator__email=None)
    [row] = reader.get(URL).json()["results"]
    assert row["coordinator"] == {"id": bare.coordinator_id, "name": bare.coordinator.name, "email": None}
    empty = {key: row[key] for key in ("description", "end_date", "parent", "campus", "groups", "knowledge_areas")}
    assert empty == {
        "description": "",
        "end_date": None,
        "parent": None,
        "campus": None,
        "groups": [],
        "knowledge_areas": [],
    }
    assert (row["team"], row["team_count"], row["children_count"], row["attachments_count"]) == ([], 0, 0, 0)


def test_list_initiatives_shows_fifty_of_a_team(reader: APIClient) -> None:
    """A row stays small; its count says how many there are."""
    members = TeamMemberFactory.create_batch(51, initiative=InitiativeFactory())
    [row] = reader.get(URL).json()["results"]
    assert row["team_count"] == 51
    assert [entry["person"]["id"] for entry in row["team"]] == [member.person_id for member in members[:50]]


def full_initiative() -> Initiative:
    """An initiative with something in every part of its document."""
    initiative = InitiativeFactory(campus=CampusFactory(), parent=InitiativeFactory())
    initiative.groups.set(GroupFactory.create_batch(2))
    initiative.knowledge_areas.set(KnowledgeAreaFactory.create_batch(2))
    TeamMemberFactory.create_batch(4, initiative=initiative)
    AttachmentFactory(initiative=initiative)
    return initiative


@pytest.mark.parametrize("rows", [1, 30])
def test_list_initiatives_takes_two_queries(reader: APIClient, django_assert_num_queries: Any, rows: int) -> None:
    """One for the user and the permissions, one for the page."""
    for _ in range(rows):
        full_initiative()
    with django_assert_num_queries(2):
        assert len(reader.get(URL, {"page_size": 100, "kind": "project"}).json()["results"]) == 2 * rows


def test_list_initiatives_takes_three_queries_with_every_filter(
    reader: APIClient, django_assert_num_queries: Any
) -> None:
    """All ids and codes that filters name are looked up together."""
    row = full_initiative()
    query = {
        "kind": "project,event",
        "status": "active",
        "coordinator": row.coordinator_id,
        "parent": row.parent_id,
        "root": "false",
        "ancestor": row.parent_id,
        "campus": row.campus_id,
        "campus_code": row.campus.code.lower(),
        "group": row.groups.all()[0].pk,
        "knowledge_area": row.knowledge_areas.all()[0].pk,
        "team_member": row.team_members.all()[0].person_id,
        "team_role": "member",
        "start_date_after": "2024-03-01",
        "start_date_before": "2024-03-01",
        "active_on": "2024-03-02",
        "search": row.name,
    }
    with django_assert_num_queries(3):
        found = reader.get(URL, query)
    assert names(found) == [row.name]


def test_list_initiatives_begins_with_what_started_last(reader: APIClient) -> None:
    for name, day in [("b", 2), ("c", 3), ("a", 1)]:
        InitiativeFactory(name=name, start_date=date(2024, 1, day))
    assert names(reader.get(URL)) == ["c", "b", "a"]


def test_list_initiatives_search_in_name_and_description(reader: APIClient) -> None:
    InitiativeFactory(name="Água limpa", description="Rios do norte")
    InitiativeFactory(name="Água doce", description="Lagoas")
    assert names(reader.get(URL, {"search": "NORTE agua"})) == ["Água limpa"]


@pytest.mark.parametrize(
    ("start", "end"),
    [(start, end) for start in range(-2, 3) for end in (*range(start, 3), None)],
)
def test_list_initiatives_status_is_one_everywhere(reader: APIClient, start: int, end: int | None) -> None:
    """The document, the filter and the annotation agree, for every relation of the dates (in days) with today."""
    day = today()
    start_date = day + timedelta(days=start)
    end_date = None if end is None else day + timedelta(days=end)
    pk = InitiativeFactory(start_date=start_date, end_date=end_date).pk
    expected = "upcoming" if start_date > day else "completed" if end_date and end_date < day else "active"
    assert reader.get(f"{URL}{pk}/").json()["status"] == expected
    assert Initiative.objects.annotate_status().get(pk=pk).status == expected
    for status in Status.values:
        found = [row["id"] for row in reader.get(URL, {"status": status}).json()["results"]]
        assert found == ([pk] if status == expected else [])


def test_list_initiatives_by_several_statuses_and_kinds(reader: APIClient) -> None:
    day = today()
    InitiativeFactory(name="a", kind="program", start_date=day + timedelta(days=1))
    InitiativeFactory(name="b", kind="event", start_date=day)
    InitiativeFactory(name="c", kind="event", start_date=date(2020, 1, 1), end_date=date(2020, 1, 2))
    query = {"ordering": "name"}
    assert names(reader.get(URL, {**query, "status": "upcoming,completed"})) == ["a", "c"]
    assert names(reader.get(URL, {**query, "kind": "program,project"})) == ["a"]
    assert names(reader.get(URL, {**query, "kind": "event", "status": "active"})) == ["b"]


def test_list_initiatives_by_place_in_the_hierarchy(reader: APIClient) -> None:
    root = InitiativeFactory(name="root")
    child = InitiativeFactory(name="child", parent=root)
    InitiativeFactory(name="grandchild", parent=child)
    InitiativeFactory(name="other")
    query = {"ordering": "name"}
    assert names(reader.get(URL, {**query, "parent": root.pk})) == ["child"]
    assert names(reader.get(URL, {**query, "ancestor": root.pk})) == ["child", "grandchild"]
    assert names(reader.get(URL, {**query, "root": "true"})) == ["other", "root"]
    assert names(reader.get(URL, {**query, "root": "false"})) == ["child", "grandchild"]
    assert names(reader.get(URL, {**query, "ancestor": root.pk, "parent": child.pk})) == ["grandchild"]


def test_list_initiatives_by_who_carries_it(reader: APIClient) -> None:
    campus = CampusFactory(code="VIX")
    mine = InitiativeFactory(name="mine", campus=campus)
    InitiativeFactory(name="other", campus=CampusFactory())
    group, area = GroupFactory(), KnowledgeAreaFactory()
    mine.groups.set([group, *GroupFactory.create_batch(2)])
    mine.knowledge_areas.set([area, KnowledgeAreaFactory()])
    for query in (
        {"coordinator": mine.coordinator_id},
        {"campus": campus.pk},
        {"campus_code": "vix"},
        {"group": group.pk},
        {"knowledge_area": area.pk},
    ):
        assert names(reader.get(URL, query)) == ["mine"], query


def test_list_initiatives_by_team(reader: APIClient) -> None:
    """A row comes once, however many members match, and person and role have to be those of one member."""
    ana = PersonFactory()
    one = InitiativeFactory(name="one")
    TeamMemberFactory(initiative=one, person=ana, role="member")
    TeamMemberFactory.create_batch(2, initiative=one, role="student")
    two = InitiativeFactory(name="two")
    TeamMemberFactory(initiative=two, person=ana, role="student")
    InitiativeFactory(name="three")
    query = {"ordering": "name"}
    assert names(reader.get(URL, {**query, "team_member": ana.pk})) == ["one", "two"]
    assert names(reader.get(URL, {**query, "team_role": "student"})) == ["one", "two"]
    assert names(reader.get(URL, {**query, "team_role": "member"})) == ["one"]
    assert names(reader.get(URL, {**query, "team_role": "student", "team_member": ana.pk})) == ["two"]
    assert names(reader.get(URL, {**query, "team_role": "student", "count": "true"})) == ["one", "two"]


def test_list_initiatives_by_dates(reader: APIClient) -> None:
    """Both ends of a range count. Of an open end no day is known, and it is under way on every day since its start."""
    InitiativeFactory(name="a", start_date=date(2024, 1, 1), end_date=date(2024, 1, 31))
    InitiativeFactory(name="b", start_date=date(2024, 2, 1), end_date=date(2024, 2, 29))
    InitiativeFactory(name="c", start_date=date(2024, 2, 1))
    for query, expected in (
        ({"start_date_after": "2024-02-01"}, ["b", "c"]),
        ({"start_date_before": "2024-01-01"}, ["a"]),
        ({"end_date_after": "2024-01-31", "end_date_before": "2024-02-28"}, ["a"]),
        ({"end_date_after": "2024-02-29"}, ["b"]),
        ({"active_on": "2024-01-31"}, ["a"]),
        ({"active_on": "2024-02-29"}, ["b", "c"]),
        ({"active_on": "2030-01-01"}, ["c"]),
    ):
        assert names(reader.get(URL, {"ordering": "name", **query})) == expected, query


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"knd": "event"}, {"knd": ["There is no such filter."]}),
        ({"kind": "meeting"}, {"kind": ["Select a valid choice. meeting is not one of the available choices."]}),
        ({"kind": "event,"}, {"kind": ["Select a valid choice.  is not one of the available choices."]}),
        ({"kind": ["event", "project"]}, {"kind": ["Give it once."]}),
        ({"status": "done"}, {"status": ["Select a valid choice. done is not one of the available choices."]}),
        ({"status": ","}, {"status": ["Select a valid choice.  is not one of the available choices."]}),
        ({"status": ""}, {"status": ["Give it a value, or leave it out."]}),
        ({"coordinator": "ana"}, {"coordinator": ["Enter a number."]}),
        ({"coordinator": "999"}, {"coordinator": ["There is none with the id 999."]}),
        ({"parent": "999"}, {"parent": ["There is none with the id 999."]}),
        ({"ancestor": "999"}, {"ancestor": ["There is none with the id 999."]}),
        ({"campus": "1.5"}, {"campus": ["Ensure that there are no more than 0 decimal places."]}),
        ({"campus_code": "nowhere"}, {"campus_code": ["There is none with the code nowhere."]}),
        ({"group": "-1"}, {"group": ["Ensure this value is greater than or equal to 1."]}),
        ({"knowledge_area": "999"}, {"knowledge_area": ["There is none with the id 999."]}),
        ({"team_member": "999"}, {"team_member": ["There is none with the id 999."]}),
        ({"team_role": "boss"}, {"team_role": ["Select a valid choice. boss is not one of the available choices."]}),
        ({"root": "maybe"}, {"root": ["Select a valid choice. maybe is not one of the available choices."]}),
        ({"start_date_after": "01/02/2024"}, {"start_date_after": ["Enter a valid date."]}),
        ({"active_on": "2024-02-30"}, {"active_on": ["Enter a valid date."]}),
        (
            {"ordering": "kind"},
            {
                "ordering": [
                    "'kind' is not one of created_at, end_date, name, start_date, updated_at; "
                    "a leading - reverses the order."
                ]
            },
        ),
    ],
)
def test_list_initiatives_refuses(reader: APIClient, query: dict[str, Any], errors: dict[str, list[str]]) -> None:
    """What is not understood is a 400 with its field, never an unfiltered list."""
    response = reader.get(URL, query)
    assert response.status_code == 400
    assert response.json()["errors"] == errors


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("key", ["name", "start_date", "end_date", "created_at", "updated_at"])
def test_list_initiatives_pages_under_every_ordering(reader: APIClient, key: str, sign: str) -> None:
    """Every row once, ties and open ends included, and the same pages on the way back."""
    ends = [None, date(2024, 5, 1), None, date(2024, 4, 1), date(2024, 5, 1), None, date(9999, 12, 31)]
    for number, end in enumerate(ends):
        InitiativeFactory(name="abca"[number % 4], start_date=date(2024, 1, 1 + number % 2), end_date=end)
    Initiative.objects.update(created_at="2024-01-01T00:00:00Z", updated_at="2024-01-01T00:00:00.000001Z")
    forwards = []
    url = f"{URL}?ordering={sign}{key}&page_size=2"
    while url:
        body = reader.get(url).json()
        forwards.append([row["id"] for row in body["results"]])
        last, url = url, body["next"]
    expected = Initiative.objects.order_by().values_list("pk", flat=True)
    assert sorted(pk for page in forwards for pk in page) == sorted(expected)
    backwards = []
    url = reader.get(last).json()["previous"]
    while url:
        body = reader.get(url).json()
        backwards.append([row["id"] for row in body["results"]])
        url = body["previous"]
    assert backwards == forwards[-2::-1]


def test_list_initiatives_open_end_is_the_latest(reader: APIClient) -> None:
    for name, end in [("open", None), ("far", date(2999, 1, 1)), ("near", date(2024, 4, 1))]:
        InitiativeFactory(name=name, end_date=end)
    assert names(reader.get(URL, {"ordering": "end_date"})) == ["near", "far", "open"]
    assert names(reader.get(URL, {"ordering": "-end_date"})) == ["open", "far", "near"]


@pytest.mark.parametrize("key", ["name", "start_date", "end_date", "created_at", "updated_at"])
def test_list_initiatives_page_is_one_range_of_an_index(reader: APIClient, key: str) -> None:
    """A page deep in the list is found by the index, not by reading what comes before it, and nothing is sorted."""
    InitiativeFactory.create_batch(3)
    url = reader.get(URL, {"ordering": key, "page_size": 1}).json()["next"]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert reader.get(url).status_code == 200
    sql = queries.captured_queries[-1]["sql"]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql.replace('%', '%%')}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    index = {"name": "initiative_sort_name"}.get(key, f"initiative_{key}")
    scan = plan[plan.index(f"using {index} on initiatives_initiative") :].splitlines()
    assert scan[1].strip().startswith("Index Cond: (ROW("), plan
    assert "Sort" not in plan
