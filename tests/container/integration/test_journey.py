"""What a client does in a term, from log-in to log-out, as one story."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.container.integration.api import PDF, V1, problem, unique
from tests.container.integration.conftest import Site


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    """A client that has not logged in yet."""
    with site.web.client() as client:
        yield client


def test_client_carries_a_program_through(site: Site, client: httpx.Client) -> None:
    """Every step uses nothing but what the step before it was answered."""
    # Ada logs in.
    tokens = client.post(
        f"{V1}/auth/token/", json={"username": "administrator", "password": site.passwords["administrator"]}
    ).json()
    client.headers["Authorization"] = f"Bearer {tokens['access']}"
    assert client.get(f"{V1}/auth/me/").json()["roles"] == ["Administrator"]

    # She enters the campus, the people and the group that carry the program.
    code = unique("SER")
    campus = client.post(f"{V1}/campuses/", json={"name": "Serra", "code": code}).json()
    ada, bea, caio = (client.post(f"{V1}/people/", json={"name": name}).json() for name in ("Ada", "Bea", "Caio"))
    group = client.post(
        f"{V1}/groups/",
        json={"name": "Trees", "short_name": unique("T"), "kind": "extension", "campus": code, "members": [bea["id"]]},
    ).json()
    led = client.post(f"{V1}/leaderships/", json={"group": group["id"], "person": ada["id"]})
    assert (led.status_code, led.json()["active"]) == (201, True)

    # A program, a project in it, and an event for each month, with a team.
    program = client.post(
        f"{V1}/initiatives/",
        json={
            "name": "Trees of the city",
            "kind": "program",
            "start_date": "2026-03-01",
            "coordinator": ada["id"],
            "campus": code,
            "groups": [group["id"]],
        },
    ).json()
    assert program["campus"] == {"id": campus["id"], "name": "Serra", "code": code}
    project = client.post(
        f"{V1}/initiatives/",
        json={
            "name": "Count the trees",
            "kind": "project",
            "start_date": "2026-03-01",
            "coordinator": bea["id"],
            "parent": program["id"],
            "team": [{"person": caio["id"], "role": "student"}],
        },
    ).json()
    for month in range(3, 13):
        answer = client.post(
            f"{V1}/initiatives/",
            json={
                "name": f"Walk of month {month:02}",
                "kind": "event",
                "start_date": f"2026-{month:02}-15",
                "end_date": f"2026-{month:02}-15",
                "coordinator": bea["id"],
                "parent": project["id"],
            },
        )
        assert answer.status_code == 201, answer.text
    team = client.put(f"{V1}/initiatives/{project['id']}/team/{ada['id']}/", json={"role": "member"}).json()["team"]
    assert [(entry["person"]["name"], entry["role"]) for entry in team] == [("Ada", "member"), ("Caio", "student")]

    # The report of the project is attached, and read back.
    attachment = client.post(
        f"{V1}/attachments/", data={"initiative": project["id"]}, files={"file": ("report.pdf", PDF)}
    ).json()
    assert client.get(attachment["content_url"]).content == PDF

    # She pages through everything below the program.
    names: list[str] = []
    url = f"{V1}/initiatives/?ancestor={program['id']}&ordering=name&page_size=4&count=true"
    while url:
        page = client.get(url).json()
        assert page["count"] == 11
        names += [row["name"] for row in page["results"]]
        url = page["next"]
    assert names == ["Count the trees", *(f"Walk of month {month:02}" for month in range(3, 13))]
    tree = client.get(f"{V1}/initiatives/{program['id']}/tree/").json()["root"]
    assert len(tree["children"][0]["children"]) == 10

    # Bea has read the project too. Ada is first to change it, and Bea's change is refused instead of undoing it.
    address = f"{V1}/initiatives/{project['id']}/"
    seen = client.get(address).headers["ETag"]
    first = client.patch(address, json={"name": "Count all trees"}, headers={"If-Match": seen})
    assert first.status_code == 200, first.text
    late = client.patch(address, json={"name": "Count some trees"}, headers={"If-Match": seen})
    problem(late, 412, "stale")
    assert client.get(address).json()["name"] == "Count all trees"
    again = client.patch(address, json={"description": "Bea's"}, headers={"If-Match": first.headers["ETag"]})
    assert again.json()["name"] == "Count all trees"

    # Access ends before the day does: a new pair for the refresh token.
    tokens = client.post(f"{V1}/auth/token/refresh/", json={"refresh": tokens["refresh"]}).json()
    client.headers["Authorization"] = f"Bearer {tokens['access']}"

    # The program is over. It is not deleted by oversight, and then it is, with everything below it.
    refused = client.delete(f"{V1}/initiatives/{program['id']}/")
    assert problem(refused, 409, "has_descendants")["descendants"] == 11
    assert client.delete(f"{V1}/initiatives/{program['id']}/?descendants=delete").status_code == 204
    assert client.get(f"{V1}/people/{bea['id']}/").json()["coordinates_count"] == 0
    problem(client.get(attachment["content_url"]), 404, "not_found")

    # She logs out: the refresh token is worth nothing any more.
    assert client.post(f"{V1}/auth/logout/", json={"refresh": tokens["refresh"]}).status_code == 204
    problem(client.post(f"{V1}/auth/token/refresh/", json={"refresh": tokens["refresh"]}), 401, "token_not_valid")
