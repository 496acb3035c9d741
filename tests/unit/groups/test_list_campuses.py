"""`GET /api/v1/campuses/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import CampusFactory, GroupFactory

URL = "/api/v1/campuses/"


def test_list_campuses_anonymous(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401


def test_list_campuses_without_permission(outsider: APIClient) -> None:
    assert outsider.get(URL).status_code == 403


def test_list_campuses_complete(reader: APIClient) -> None:
    campus = CampusFactory(name="Vitória", code="VIX", location="Jucutuquara")
    GroupFactory.create_batch(2, campus=campus)
    body = reader.get(URL, {"count": "true"}).json()
    [row] = body.pop("results")
    assert body == {"next": None, "previous": None, "count": 1}
    assert row.pop("created_at").startswith(f"{campus.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{campus.updated_at:%Y-%m-%dT%H:%M}")
    assert row == {"id": campus.pk, "name": "Vitória", "code": "VIX", "location": "Jucutuquara", "groups_count": 2}


@pytest.mark.parametrize("rows", [1, 30])
def test_list_campuses_takes_two_queries(reader: APIClient, django_assert_num_queries: object, rows: int) -> None:
    """One for the user and the permissions, one for the page."""
    CampusFactory.create_batch(rows)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({"search": "VITORIA"}, ["VIX"]),
        ({"search": "ser vila"}, ["SRR"]),
        ({"search": "nowhere"}, []),
        ({"code": "vix"}, ["VIX"]),
        ({"code": "vi"}, []),
        ({"location": "vila nova"}, ["SRR"]),
        ({"ordering": "code"}, ["SRR", "VIX"]),
        ({"ordering": "-code"}, ["VIX", "SRR"]),
        ({"ordering": "name"}, ["SRR", "VIX"]),
        ({"ordering": "created_at"}, ["VIX", "SRR"]),
    ],
)
def test_list_campuses_filtered(reader: APIClient, query: dict[str, str], codes: list[str]) -> None:
    CampusFactory(name="Vitória", code="VIX", location="Jucutuquara")
    CampusFactory(name="Serra", code="SRR", location="Vila Nova")
    assert [row["code"] for row in reader.get(URL, query).json()["results"]] == codes


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"codes": "VIX"}, {"codes": ["There is no such filter."]}),
        ({"code": ""}, {"code": ["Give it a value, or leave it out."]}),
        (
            {"ordering": "location"},
            {"ordering": ["'location' is not one of code, created_at, name; a leading - reverses the order."]},
        ),
    ],
)
def test_list_campuses_invalid(reader: APIClient, query: dict[str, str], errors: dict[str, list[str]]) -> None:
    response = reader.get(URL, query)
    assert response.status_code == 400
    assert response.json()["errors"] == errors
