"""`GET /api/v1/initiatives/{id}/tree/` and `/ancestors/`."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.initiatives import hierarchy
from onestep.initiatives.models import Initiative
from tests.factories import InitiativeFactory


@pytest.fixture
def coast(db: None) -> Initiative:
    """A program with two projects, one of which has an event with one of its own."""
    coast = InitiativeFactory(name="Coast", kind="program", start_date=date(2020, 1, 1))
    herbarium = InitiativeFactory(name="Herbarium", parent=coast, end_date=date(2024, 12, 31))
    fair = InitiativeFactory(name="Fair", kind="event", parent=herbarium)
    InitiativeFactory(name="Booth", kind="event", parent=fair)
    InitiativeFactory(name="Algae", parent=coast, start_date=date(2999, 1, 1))
    InitiativeFactory(name="Elsewhere")
    return coast


def outline(node: dict[str, Any]) -> dict[str, Any]:
    """The names of a tree, nested; a trailing … where children are left out."""
    name = node["name"] + (" …" if node["has_more"] else "")
    below: dict[str, Any] = {}
    for child in node["children"]:
        below |= outline(child)
    return {name: below}


@pytest.mark.parametrize("what", ["tree", "ancestors"])
def test_read_tree_anonymous(anonymous: APIClient, coast: Initiative, what: str) -> None:
    assert anonymous.get(f"/api/v1/initiatives/{coast.pk}/{what}/").status_code == 401


@pytest.mark.parametrize("what", ["tree", "ancestors"])
def test_read_tree_outsider(outsider: APIClient, coast: Initiative, what: str) -> None:
    assert outsider.get(f"/api/v1/initiatives/{coast.pk}/{what}/").status_code == 403


@pytest.mark.parametrize("what", ["tree", "ancestors"])
def test_read_tree_missing(reader: APIClient, what: str) -> None:
    response = reader.get(f"/api/v1/initiatives/999/{what}/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such initiative."


@pytest.mark.parametrize("what", ["tree", "ancestors"])
def test_read_tree_takes_two_queries(
    reader: APIClient, coast: Initiative, django_assert_num_queries: Any, what: str
) -> None:
    """One for the user and the permissions, one for the rows."""
    with django_assert_num_queries(2):
        assert reader.get(f"/api/v1/initiatives/{coast.pk}/{what}/").status_code == 200


def test_read_tree_complete(reader: APIClient, coast: Initiative) -> None:
    algae, herbarium = coast.children.all()
    body = reader.get(f"/api/v1/initiatives/{coast.pk}/tree/?depth=1").json()
    assert body == {
        "depth": 1,
        "truncated": False,
        "root": {
            "id": coast.pk,
            "name": "Coast",
            "kind": "program",
            "status": "active",
            "start_date": "2020-01-01",
            "end_date": None,
            "children_count": 2,
            "children": [
                {
                    "id": algae.pk,
                    "name": "Algae",
                    "kind": "project",
                    "status": "upcoming",
                    "start_date": "2999-01-01",
                    "end_date": None,
                    "children_count": 0,
                    "children": [],
                    "has_more": False,
                },
                {
                    "id": herbarium.pk,
                    "name": "Herbarium",
                    "kind": "project",
                    "status": "completed",
                    "start_date": "2024-03-01",
                    "end_date": "2024-12-31",
                    "children_count": 1,
                    "children": [],
                    "has_more": True,
                },
            ],
            "has_more": False,
        },
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"depth": 1}, {"Coast": {"Algae": {}, "Herbarium …": {}}}),
        ({"depth": 2}, {"Coast": {"Algae": {}, "Herbarium": {"Fair …": {}}}}),
        ({}, {"Coast": {"Algae": {}, "Herbarium": {"Fair": {"Booth": {}}}}}),
        ({"depth": 10}, {"Coast": {"Algae": {}, "Herbarium": {"Fair": {"Booth": {}}}}}),
    ],
)
def test_read_tree_to_a_depth(
    reader: APIClient, coast: Initiative, query: dict[str, int], expected: dict[str, Any]
) -> None:
    assert outline(reader.get(f"/api/v1/initiatives/{coast.pk}/tree/", query).json()["root"]) == expected


def test_read_tree_of_a_leaf(reader: APIClient, coast: Initiative) -> None:
    leaf = coast.children.get(name="Algae")
    assert outline(reader.get(f"/api/v1/initiatives/{leaf.pk}/tree/").json()["root"]) == {"Algae": {}}


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("depth=0", {"depth": ["Give a whole number from 1 to 10."]}),
        ("depth=11", {"depth": ["Give a whole number from 1 to 10."]}),
        ("depth=-1", {"depth": ["Give a whole number from 1 to 10."]}),
        ("depth=", {"depth": ["Give a whole number from 1 to 10."]}),
        ("depth=all", {"depth": ["Give a whole number from 1 to 10."]}),
        ("depth=1&depth=2", {"depth": ["Give it once."]}),
        ("deep=1", {"deep": ["There is no such parameter."]}),
    ],
)
def test_read_tree_refuses(reader: APIClient, coast: Initiative, query: str, errors: dict[str, list[str]]) -> None:
    response = reader.get(f"/api/v1/initiatives/{coast.pk}/tree/?{query}")
    assert response.status_code == 400
    assert response.json()["errors"] == errors


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "truncated"), [(3, True), (4, True), (5, False)])
def test_read_tree_bounds_the_nodes(coast: Initiative, limit: int, truncated: bool) -> None:
    """The levels nearest to the root are shown, and nodes that miss children are marked."""
    found = hierarchy.read_tree(coast.pk, depth=10, limit=limit)
    assert found
    assert found["truncated"] is truncated
    assert (
        outline(found["root"])
        == {
            3: {"Coast": {"Algae": {}, "Herbarium …": {}}},
            4: {"Coast": {"Algae": {}, "Herbarium": {"Fair …": {}}}},
            5: {"Coast": {"Algae": {}, "Herbarium": {"Fair": {"Booth": {}}}}},
        }[limit]
    )


@pytest.mark.django_db
def test_read_tree_shows_a_thousand_nodes(reader: APIClient) -> None:
    root = InitiativeFactory()
    Initiative.objects.bulk_create(
        [
            Initiative(
                name=f"{n}", kind="event", start_date=date(2024, 1, 1), coordinator=root.coordinator, parent=root
            )
            for n in range(1001)
        ]
    )
    body = reader.get(f"/api/v1/initiatives/{root.pk}/tree/").json()
    assert body["truncated"] is True
    assert (len(body["root"]["children"]), body["root"]["children_count"]) == (999, 1001)
    assert body["root"]["has_more"] is True


def test_read_ancestors(reader: APIClient, coast: Initiative) -> None:
    """The root first, without the initiative itself."""
    booth = Initiative.objects.get(name="Booth")
    body = reader.get(f"/api/v1/initiatives/{booth.pk}/ancestors/").json()
    assert body["results"][0] == {"id": coast.pk, "name": "Coast", "kind": "program"}
    assert [row["name"] for row in body["results"]] == ["Coast", "Herbarium", "Fair"]


def test_read_ancestors_of_a_root(reader: APIClient, coast: Initiative) -> None:
    assert reader.get(f"/api/v1/initiatives/{coast.pk}/ancestors/").json() == {"results": []}


def test_read_ancestors_refuses_parameters(reader: APIClient, coast: Initiative) -> None:
    response = reader.get(f"/api/v1/initiatives/{coast.pk}/ancestors/?depth=1")
    assert response.status_code == 400
    assert response.json()["errors"] == {"depth": ["There is no such parameter."]}
