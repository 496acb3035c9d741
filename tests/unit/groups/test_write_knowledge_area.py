"""`POST /api/v1/knowledge-areas/`; `GET`, `PUT`, `PATCH` and `DELETE /api/v1/knowledge-areas/{id}/`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from onestep.groups.models import KnowledgeArea
from tests.factories import GroupFactory, InitiativeFactory, KnowledgeAreaFactory

URL = "/api/v1/knowledge-areas/"


@pytest.fixture
def area(db: None) -> KnowledgeArea:
    return KnowledgeAreaFactory(name="Genética")


@pytest.fixture
def url(area: KnowledgeArea) -> str:
    return f"{URL}{area.pk}/"


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_knowledge_area_anonymous(anonymous: APIClient, url: str, verb: str) -> None:
    assert getattr(anonymous, verb)(url).status_code == 401
    assert anonymous.post(URL, {"name": "Botany"}, format="json").status_code == 401


@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_knowledge_area_without_permission(outsider: APIClient, url: str, verb: str) -> None:
    assert getattr(outsider, verb)(url).status_code == 403
    assert outsider.post(URL, {"name": "Botany"}, format="json").status_code == 403


@pytest.mark.parametrize("verb", ["put", "patch", "delete"])
def test_knowledge_area_reader_writes(reader: APIClient, area: KnowledgeArea, url: str, verb: str) -> None:
    assert getattr(reader, verb)(url, {"name": "Botany"}, format="json").status_code == 403
    assert reader.post(URL, {"name": "Botany"}, format="json").status_code == 403
    assert list(KnowledgeArea.objects.values_list("name", flat=True)) == ["Genética"]


def test_retrieve_knowledge_area(reader: APIClient, area: KnowledgeArea, url: str) -> None:
    assert reader.get(url).json()["name"] == "Genética"
    assert reader.get(f"{URL}{area.pk + 1}/").json()["detail"] == "There is no such knowledge area."


def test_create_knowledge_area(editor: APIClient) -> None:
    response = editor.post(URL, {"name": " Botany "}, format="json")
    assert response.status_code == 201
    assert response.json()["name"] == "Botany"


@pytest.mark.parametrize(
    ("name", "message"),
    [("   ", "This field may not be blank."), ("GENETICA", "A knowledge area with this name already exists.")],
)
def test_create_knowledge_area_invalid(editor: APIClient, area: KnowledgeArea, name: str, message: str) -> None:
    response = editor.post(URL, {"name": name}, format="json")
    assert response.status_code == 400
    assert response.json()["errors"] == {"name": [message]}


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_update_knowledge_area(editor: APIClient, url: str, verb: str) -> None:
    """A name may come to differ from what it was in case and accents only."""
    response = getattr(editor, verb)(url, {"name": "GENETICA"}, format="json")
    assert response.status_code == 200
    assert response.json()["name"] == "GENETICA"


def test_update_knowledge_area_stale(editor: APIClient, url: str) -> None:
    response = editor.put(url, {"name": "Botany"}, format="json", headers={"If-Match": '"other"'})
    assert response.status_code == 412
    assert editor.get(url).json()["name"] == "Genética"


def test_delete_knowledge_area(editor: APIClient, url: str) -> None:
    assert editor.delete(url).status_code == 204
    assert not KnowledgeArea.objects.exists()


def test_delete_knowledge_area_in_use(editor: APIClient, area: KnowledgeArea, url: str) -> None:
    group = GroupFactory(name="Seeds")
    group.knowledge_areas.add(area)
    initiative = InitiativeFactory(name="Fair")
    initiative.knowledge_areas.add(area)
    response = editor.delete(url)
    assert response.status_code == 409
    body = response.json()
    assert body["type"] == "urn:onestep:problem:knowledge_area_in_use"
    assert body["detail"] == "Genética is used by 1 group and 1 initiative. Change them first."
    assert body["counts"] == {"groups": 1, "initiatives": 1}
    assert body["groups"] == [{"id": group.pk, "name": "Seeds"}]
    assert body["initiatives"] == [{"id": initiative.pk, "name": "Fair"}]
    assert group.knowledge_areas.get() == area
    assert initiative.knowledge_areas.get() == area
