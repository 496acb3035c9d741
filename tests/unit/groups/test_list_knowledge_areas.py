"""`GET /api/v1/knowledge-areas/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import GroupFactory, KnowledgeAreaFactory

URL = "/api/v1/knowledge-areas/"


def test_list_knowledge_areas_anonymous(anonymous: APIClient) -> None:
    assert anonymous.get(URL).status_code == 401


def test_list_knowledge_areas_without_permission(outsider: APIClient) -> None:
    assert outsider.get(URL).status_code == 403


def test_list_knowledge_areas_complete(reader: APIClient) -> None:
    area = KnowledgeAreaFactory(name="Botany")
    GroupFactory().knowledge_areas.add(area)
    [row] = reader.get(URL).json()["results"]
    assert row.pop("created_at").startswith(f"{area.created_at:%Y-%m-%dT%H:%M}")
    assert row.pop("updated_at").startswith(f"{area.updated_at:%Y-%m-%dT%H:%M}")
    assert row == {"id": area.pk, "name": "Botany", "groups_count": 1}


@pytest.mark.parametrize("rows", [1, 30])
def test_list_knowledge_areas_takes_two_queries(
    reader: APIClient, django_assert_num_queries: object, rows: int
) -> None:
    KnowledgeAreaFactory.create_batch(rows)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(reader.get(URL, {"page_size": 100}).json()["results"]) == rows


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"search": "GEN"}, ["Genética"]),
        ({"name": "genetica"}, ["Genética"]),
        ({"name": "gene"}, []),
        ({}, ["Botany", "Genética"]),
        ({"ordering": "-name"}, ["Genética", "Botany"]),
        ({"ordering": "created_at"}, ["Genética", "Botany"]),
    ],
)
def test_list_knowledge_areas_filtered(reader: APIClient, query: dict[str, str], names: list[str]) -> None:
    KnowledgeAreaFactory(name="Genética")
    KnowledgeAreaFactory(name="Botany")
    assert [row["name"] for row in reader.get(URL, query).json()["results"]] == names


def test_list_knowledge_areas_unknown_filter(reader: APIClient) -> None:
    response = reader.get(URL, {"group": "1"})
    assert response.status_code == 400
    assert response.json()["errors"] == {"group": ["There is no such filter."]}
