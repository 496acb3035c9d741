"""Calls that several tests make to have something to look at."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

V1 = "/api/v1"
PROBLEM = "application/problem+json"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
_numbers = itertools.count(1)


def unique(word: str) -> str:
    """Return the word with a number that no other call of this run gets."""
    return f"{word}-{next(_numbers)}"


def add(client: httpx.Client, resource: str, **values: Any) -> dict[str, Any]:
    """Add a row and return its document. Raises AssertionError where that is refused."""
    answer = client.post(f"{V1}/{resource}/", json=values)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def add_person(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """Add a person."""
    return add(client, "people", **{"name": unique("Person"), **values})


def add_campus(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """Add a campus."""
    return add(client, "campuses", **{"name": unique("Campus"), "code": unique("C"), **values})


def add_group(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """Add a group, on a campus of its own unless one is given."""
    own = {"name": unique("Group"), "short_name": unique("G"), "kind": "research"}
    return add(client, "groups", **{**own, "campus": values.get("campus") or add_campus(client)["id"], **values})


def add_initiative(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """Add an initiative, with a coordinator of its own unless one is given."""
    own = {"name": unique("Initiative"), "kind": "project", "start_date": "2026-03-01"}
    coordinator = values.get("coordinator") or add_person(client)["id"]
    return add(client, "initiatives", **{**own, "coordinator": coordinator, **values})


def upload(
    client: httpx.Client, initiative: int, *, name: str = "report.pdf", content: bytes = PDF, **fields: Any
) -> httpx.Response:
    """Send a file for an initiative, as a form in a browser would."""
    return client.post(
        f"{V1}/attachments/", data={"initiative": initiative, **fields}, files={"file": (name, content, "text/html")}
    )


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return a problem document. Raises AssertionError where the answer is not that one."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    body = dict(answer.json())
    assert (body["status"], body["type"]) == (status, f"urn:onestep:problem:{code}")
    assert body["request_id"] == answer.headers["X-Request-ID"]
    return body
