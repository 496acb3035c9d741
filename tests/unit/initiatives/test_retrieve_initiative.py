"""`GET /api/v1/initiatives/{id}/`."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from onestep.initiatives.models import Initiative
from tests.factories import InitiativeFactory, TeamMemberFactory


@pytest.fixture
def initiative(db: None) -> Initiative:
    return InitiativeFactory(name="Herbarium")


@pytest.fixture
def url(initiative: Initiative) -> str:
    return f"/api/v1/initiatives/{initiative.pk}/"


def test_retrieve_initiative_anonymous(anonymous: APIClient, url: str) -> None:
    assert anonymous.get(url).status_code == 401


def test_retrieve_initiative_outsider(outsider: APIClient, url: str) -> None:
    assert outsider.get(url).status_code == 403


def test_retrieve_initiative_is_its_row_in_the_list(
    reader: APIClient, url: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        response = reader.get(url)
    assert response.status_code == 200
    assert [response.json()] == reader.get("/api/v1/initiatives/").json()["results"]


def test_retrieve_initiative_missing(reader: APIClient) -> None:
    response = reader.get("/api/v1/initiatives/999/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no such initiative."


def test_retrieve_initiative_again(reader: APIClient, initiative: Initiative, url: str) -> None:
    """A client that has the present form gets 304; a change of anything in the document makes another form."""
    tag = reader.get(url)["ETag"]
    response = reader.get(url, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    TeamMemberFactory(initiative=initiative)
    response = reader.get(url, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response["ETag"] != tag
