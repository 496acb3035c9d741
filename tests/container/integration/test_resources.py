"""Each resource over HTTP: added, read, listed, changed, replaced, deleted; and what is a resource's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.container.integration.api import (
    V1,
    add,
    add_campus,
    add_group,
    add_initiative,
    add_person,
    problem,
    unique,
    upload,
)

Values = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """What to write to a resource: all values of a new row, a change of some, and then all of them again."""

    name: str
    new: Callable[[httpx.Client], Values]
    change: Values
    replacement: Callable[[Values], Values]

    def __str__(self) -> str:
        return self.name


def with_changes(**changes: Any) -> Callable[[Values], Values]:
    """Return a function that gives the values of the new row with changes."""
    return lambda values: {**values, **changes}


RESOURCES = [
    Resource(
        "people",
        lambda client: {"name": unique("Zoë Ávila"), "email": f"{unique('zoe')}@example.org", "phone": "+55 27 1"},
        {"phone": "+55 27 2"},
        with_changes(phone=""),
    ),
    Resource(
        "campuses",
        lambda client: {"name": unique("Serra"), "code": unique("SER"), "location": "Serra"},
        {"location": "Vitória"},
        with_changes(location=""),
    ),
    Resource(
        "knowledge-areas",
        lambda client: {"name": unique("Ecology")},
        {"name": "Ecology of forests"},
        with_changes(name="Ecology of rivers"),
    ),
    Resource(
        "groups",
        lambda client: {
            "name": unique("Herbarium"),
            "short_name": unique("HERB"),
            "kind": "research",
            "url": "https://example.org/herbarium",
            "campus": add_campus(client)["id"],
            "knowledge_areas": [add(client, "knowledge-areas", name=unique("Botany"))["id"]],
            "members": [add_person(client)["id"]],
        },
        {"kind": "extension"},
        with_changes(members=[], url=""),
    ),
    Resource(
        "leaderships",
        lambda client: {
            "group": add_group(client)["id"],
            "person": add_person(client)["id"],
            "start_date": "2026-01-01",
            "end_date": None,
        },
        {"start_date": "2026-02-01"},
        with_changes(start_date="2025-06-01"),
    ),
    Resource(
        "initiatives",
        lambda client: {
            "name": unique("Trees of the city"),
            "description": "Counts them.",
            "kind": "program",
            "start_date": "2026-03-01",
            "end_date": "2026-12-31",
            "parent": None,
            "coordinator": add_person(client)["id"],
            "campus": add_campus(client)["id"],
            "groups": [add_group(client)["id"]],
            "knowledge_areas": [],
            "team": [{"person": add_person(client)["id"], "role": "student"}],
        },
        {"end_date": None},
        with_changes(kind="project", team=[]),
    ),
]


def as_written(value: Any) -> Any:
    """Return a value of a document in the form in which it is written: rows by their ids."""
    if isinstance(value, list):
        return [as_written(item) for item in value]
    if isinstance(value, dict):
        return {"person": value["person"]["id"], "role": value["role"]} if "role" in value else value["id"]
    return value


def written(document: Values, values: Values) -> Values:
    """Return what a document has of the written values."""
    return {name: as_written(document[name]) for name in values}


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_row_lives(resource: Resource, administrator: httpx.Client) -> None:
    """From POST to DELETE, with the tags that keep two people from overwriting each other."""
    resources = f"{V1}/{resource.name}/"
    values = resource.new(administrator)

    created = administrator.post(resources, json=values)
    assert created.status_code == 201, created.text
    row = created.json()
    address = f"{resources}{row['id']}/"
    assert written(row, values) == values
    assert created.headers["Location"] == str(administrator.base_url.join(address))

    read = administrator.get(address)
    assert (read.status_code, read.json(), read.headers["ETag"]) == (200, row, created.headers["ETag"])
    held = administrator.get(address, headers={"If-None-Match": read.headers["ETag"]})
    assert (held.status_code, held.content) == (304, b"")

    listed = administrator.get(resources, params={"ordering": "-created_at", "page_size": 1, "count": "true"}).json()
    assert listed["results"] == [row]
    assert listed["count"] >= 1

    what_was_read = {"If-Match": read.headers["ETag"]}
    changed = administrator.patch(address, json=resource.change, headers=what_was_read)
    assert changed.status_code == 200, changed.text
    assert written(changed.json(), values) == {**values, **resource.change}
    assert changed.headers["ETag"] != read.headers["ETag"]

    problem(administrator.patch(address, json=resource.change, headers=what_was_read), 412, "stale")

    replaced = administrator.put(address, json=resource.replacement(values))
    assert replaced.status_code == 200, replaced.text
    assert written(replaced.json(), values) == resource.replacement(values)

    assert administrator.delete(address).status_code == 204
    problem(administrator.get(address), 404, "not_found")
    problem(administrator.delete(address), 404, "not_found")


@pytest.mark.parametrize("resource", RESOURCES, ids=str)
def test_wrong_body_is_refused_by_field(resource: Resource, administrator: httpx.Client) -> None:
    """Nothing is stored, and each required field is named."""
    address = f"{V1}/{resource.name}/"
    before = administrator.get(address, params={"count": "true", "page_size": 1}).json()["count"]
    body = problem(administrator.post(address, json={}), 400, "invalid")
    assert {message for messages in body["errors"].values() for message in messages} == {"This field is required."}
    problem(administrator.post(address, content=b"{", headers={"Content-Type": "application/json"}), 400, "malformed")
    problem(administrator.post(address, data={"name": "a form"}), 415, "unsupported_media_type")
    assert administrator.get(address, params={"count": "true", "page_size": 1}).json()["count"] == before


def test_pages_of_a_list_give_each_row_once(administrator: httpx.Client) -> None:
    word = unique("paged")
    ids = {add_person(administrator, name=f"{word} {number}")["id"] for number in range(7)}
    url: str | None = f"{V1}/people/?search={word}&page_size=3&ordering=-name"
    seen: list[Values] = []
    while url:
        page = administrator.get(url).json()
        assert len(page["results"]) <= 3
        seen += page["results"]
        url = page["next"]
    assert [row["name"] for row in seen] == [f"{word} {number}" for number in reversed(range(7))]
    assert {row["id"] for row in seen} == ids


def test_unknown_filter_is_refused(administrator: httpx.Client) -> None:
    body = problem(administrator.get(f"{V1}/people/", params={"colour": "red"}), 400, "invalid")
    assert body["errors"] == {"colour": ["There is no such filter."]}


def test_members_come_and_go(administrator: httpx.Client) -> None:
    """Adding twice is adding once; a member may be added by PUT and by the list."""
    group, person = add_group(administrator), add_person(administrator)
    address = f"{V1}/groups/{group['id']}/members/{person['id']}/"
    for _ in range(2):
        answer = administrator.put(address)
        assert (answer.status_code, answer.json()["members_count"]) == (200, 1)
    assert answer.json()["members"] == [{"id": person["id"], "name": person["name"]}]
    found = administrator.get(f"{V1}/people/", params={"group": group["id"]}).json()["results"]
    assert [row["id"] for row in found] == [person["id"]]
    for _ in range(2):
        assert administrator.delete(address).status_code == 204
    assert administrator.get(f"{V1}/groups/{group['id']}/").json()["members"] == []
    problem(administrator.put(f"{V1}/groups/{group['id']}/members/999999/"), 404, "not_found")


def test_leaders_are_the_present_ones(administrator: httpx.Client) -> None:
    group, first, second = add_group(administrator), add_person(administrator), add_person(administrator)
    ended = add(
        administrator,
        "leaderships",
        group=group["id"],
        person=first["id"],
        start_date="2024-01-01",
        end_date="2025-01-01",
    )
    present = add(administrator, "leaderships", group=group["id"], person=second["id"], start_date="2025-01-02")
    assert (ended["active"], present["active"]) == (False, True)
    leaders = administrator.get(f"{V1}/groups/{group['id']}/").json()["leaders"]
    assert [leader["person"]["id"] for leader in leaders] == [second["id"]]
    problem(administrator.patch(f"{V1}/leaderships/{ended['id']}/", json={"end_date": None}), 409, "leadership_ended")


def test_team_roles_change(administrator: httpx.Client) -> None:
    initiative, person = add_initiative(administrator), add_person(administrator)
    address = f"{V1}/initiatives/{initiative['id']}/team/{person['id']}/"
    for role in ("student", "member"):
        answer = administrator.put(address, json={"role": role})
        assert answer.status_code == 200, answer.text
        assert answer.json()["team"] == [{"person": {"id": person["id"], "name": person["name"]}, "role": role}]
    body = problem(administrator.put(address, json={"role": "king"}), 400, "invalid")
    assert body["errors"] == {"role": ['"king" is not a valid choice.']}
    assert administrator.delete(address).status_code == 204
    assert administrator.get(f"{V1}/initiatives/{initiative['id']}/").json()["team_count"] == 0


def test_hierarchy_is_read_both_ways(administrator: httpx.Client) -> None:
    program = add_initiative(administrator, kind="program")
    project = add_initiative(administrator, parent=program["id"])
    event = add_initiative(administrator, kind="event", parent=project["id"])
    tree = administrator.get(f"{V1}/initiatives/{program['id']}/tree/").json()
    assert (tree["depth"], tree["truncated"], tree["root"]["id"]) == (3, False, program["id"])
    assert tree["root"]["children"][0]["children"][0]["id"] == event["id"]
    shallow = administrator.get(f"{V1}/initiatives/{program['id']}/tree/", params={"depth": 1}).json()
    assert shallow["root"]["children"][0]["has_more"] is True
    ancestors = administrator.get(f"{V1}/initiatives/{event['id']}/ancestors/").json()["results"]
    assert [row["id"] for row in ancestors] == [program["id"], project["id"]]
    below = administrator.get(f"{V1}/initiatives/", params={"ancestor": program["id"], "ordering": "created_at"}).json()
    assert [row["id"] for row in below["results"]] == [project["id"], event["id"]]


def test_cycle_is_refused(administrator: httpx.Client) -> None:
    program = add_initiative(administrator, kind="program")
    project = add_initiative(administrator, parent=program["id"])
    answer = administrator.patch(f"{V1}/initiatives/{program['id']}/", json={"parent": project["id"]})
    assert "parent" in problem(answer, 409, "hierarchy_cycle")["errors"]
    assert administrator.get(f"{V1}/initiatives/{program['id']}/").json()["parent"] is None


def test_what_others_need_is_not_deleted(administrator: httpx.Client) -> None:
    """Each refusal says what stands in the way; a whole subtree goes only where that is asked for."""
    area = add(administrator, "knowledge-areas", name=unique("Geology"))
    group = add_group(administrator, knowledge_areas=[area["id"]])
    program = add_initiative(administrator, groups=[group["id"]])
    part = add_initiative(administrator, parent=program["id"])
    for address, code in (
        (f"campuses/{group['campus']['id']}", "campus_in_use"),
        (f"knowledge-areas/{area['id']}", "knowledge_area_in_use"),
        (f"groups/{group['id']}", "group_in_use"),
        (f"people/{program['coordinator']['id']}", "person_coordinates"),
        (f"initiatives/{program['id']}", "has_descendants"),
    ):
        problem(administrator.delete(f"{V1}/{address}/"), 409, code)
    wholly = administrator.delete(f"{V1}/initiatives/{program['id']}/", params={"descendants": "delete"})
    assert wholly.status_code == 204
    assert administrator.get(f"{V1}/initiatives/{part['id']}/").status_code == 404
    assert administrator.delete(f"{V1}/groups/{group['id']}/").status_code == 204


def test_files_stay_as_they_are(administrator: httpx.Client) -> None:
    """An attachment is added, read, listed and deleted, and changed by no verb."""
    initiative = add_initiative(administrator)
    created = upload(administrator, initiative["id"], name="ata.pdf")
    assert created.status_code == 201, created.text
    row = created.json()
    assert (row["name"], row["media_type"], row["uploaded_by"]["username"]) == (
        "ata.pdf",
        "application/pdf",
        "administrator",
    )
    assert administrator.get(created.headers["Location"]).json() == row
    listed = administrator.get(f"{V1}/attachments/", params={"initiative": initiative["id"]}).json()
    assert listed["results"] == [row]
    assert administrator.get(f"{V1}/initiatives/{initiative['id']}/").json()["attachments_count"] == 1
    for verb in ("PUT", "PATCH"):
        answer = administrator.request(verb, created.headers["Location"], json={"name": "other.pdf"})
        problem(answer, 405, "method_not_allowed")
    assert administrator.delete(created.headers["Location"]).status_code == 204
    problem(administrator.get(row["content_url"]), 404, "not_found")
