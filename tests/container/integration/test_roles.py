"""What each role may do with each resource, verb by verb. docs/operations.md and the admin call them by these names."""

from __future__ import annotations

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
    unique,
    upload,
)

CALLERS = ("anonymous", "viewer", "coordinator", "administrator")
# What the four are answered. A 403 comes before the body is looked at.
READING = (401, 200, 200, 200)
ADDING = (401, 403, 201, 201)
CHANGING = (401, 403, 200, 200)
DELETING = (401, 403, 403, 204)
TAKING_AWAY = (401, 403, 204, 204)
WHOLES = ("people", "campuses", "knowledge-areas", "groups", "leaderships", "initiatives")


@pytest.fixture
def callers(
    anonymous: httpx.Client, viewer: httpx.Client, coordinator: httpx.Client, administrator: httpx.Client
) -> list[httpx.Client]:
    """The clients in the order of CALLERS."""
    return [anonymous, viewer, coordinator, administrator]


def new_row(client: httpx.Client, resource: str) -> dict[str, Any]:
    """Add a row that nothing else needs."""
    return {
        "people": add_person,
        "campuses": add_campus,
        "knowledge-areas": lambda client: add(client, resource, name=unique("Area")),
        "groups": add_group,
        "leaderships": lambda client: add(
            client, resource, group=add_group(client)["id"], person=add_person(client)["id"]
        ),
        "initiatives": add_initiative,
    }[resource](client)


def values_of_another(client: httpx.Client, resource: str) -> dict[str, Any]:
    """Return the body that adds one more row."""
    return {
        "people": lambda: {"name": unique("Person")},
        "campuses": lambda: {"name": unique("Campus"), "code": unique("C")},
        "knowledge-areas": lambda: {"name": unique("Area")},
        "groups": lambda: {
            "name": unique("Group"),
            "short_name": unique("G"),
            "kind": "research",
            "campus": add_campus(client)["id"],
        },
        "leaderships": lambda: {"group": add_group(client)["id"], "person": add_person(client)["id"]},
        "initiatives": lambda: {
            "name": unique("Initiative"),
            "kind": "event",
            "start_date": "2026-03-01",
            "coordinator": add_person(client)["id"],
        },
    }[resource]()


@pytest.mark.parametrize("resource", WHOLES)
def test_role_decides_on_a_resource(resource: str, callers: list[httpx.Client], administrator: httpx.Client) -> None:
    row = new_row(administrator, resource)
    address = f"{V1}/{resource}/{row['id']}/"
    change = {"start_date": "2026-02-02"} if resource == "leaderships" else {"name": unique("Changed")}
    answers = {
        "list": tuple(client.get(f"{V1}/{resource}/").status_code for client in callers),
        "read": tuple(client.get(address).status_code for client in callers),
        "add": tuple(
            client.post(f"{V1}/{resource}/", json=values_of_another(administrator, resource)).status_code
            for client in callers
        ),
        "change": tuple(client.patch(address, json=change).status_code for client in callers),
        "delete": tuple(client.delete(address).status_code for client in callers),
    }
    assert answers == {
        "list": READING,
        "read": READING,
        "add": ADDING,
        "change": CHANGING,
        "delete": DELETING,
    }


@pytest.mark.parametrize("part", ["members", "team"])
def test_role_decides_on_parts(part: str, callers: list[httpx.Client], administrator: httpx.Client) -> None:
    """Who may change a group or an initiative may put people in it and take them out."""
    person = add_person(administrator)["id"]
    if part == "members":
        address = f"{V1}/groups/{add_group(administrator)['id']}/members/{person}/"
    else:
        address = f"{V1}/initiatives/{add_initiative(administrator)['id']}/team/{person}/"
    assert tuple(client.put(address, json={"role": "member"}).status_code for client in callers) == CHANGING
    assert tuple(client.delete(address).status_code for client in callers) == TAKING_AWAY


def test_role_decides_on_files(callers: list[httpx.Client], administrator: httpx.Client) -> None:
    """A Coordinator may delete a file, which is a part of an initiative."""
    initiative = add_initiative(administrator)["id"]
    assert tuple(upload(client, initiative).status_code for client in callers) == ADDING
    rows = administrator.get(f"{V1}/attachments/", params={"initiative": initiative}).json()["results"]
    assert tuple(client.get(rows[0]["content_url"]).status_code for client in callers) == READING
    answers = [
        client.delete(f"{V1}/attachments/{row['id']}/").status_code
        for client, row in zip(callers, [rows[0], rows[0], *rows], strict=True)
    ]
    assert tuple(answers) == TAKING_AWAY
