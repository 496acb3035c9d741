"""Paging: every row once, forwards and back, under every ordering."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.factories import PersonFactory

URL = "/api/v1/people/"


@pytest.mark.parametrize("ordering", ["name", "-name", "created_at", "-created_at"])
def test_page_through_list_with_ties(reader: APIClient, ordering: str) -> None:
    """Ties are broken by the id; going back shows the same pages."""
    ids = {PersonFactory(name=name).pk for name in ["b", "a", "b", "á", "B", "c", "a"]}
    pages = []
    url = f"{URL}?ordering={ordering}&page_size=3"
    while url:
        body = reader.get(url).json()
        pages.append([row["id"] for row in body["results"]])
        last, url = url, body["next"]
    seen = [pk for page in pages for pk in page]
    assert len(seen) == len(ids)
    assert set(seen) == ids
    back = []
    url = reader.get(last).json()["previous"]
    while url:
        body = reader.get(url).json()
        back.append([row["id"] for row in body["results"]])
        url = body["previous"]
    assert back == pages[-2::-1]


@pytest.mark.parametrize("cursor", ["x", "WyJuYW1lIl0", "eyJh:1:2", "é"])
def test_page_through_list_damaged_cursor(reader: APIClient, cursor: str) -> None:
    response = reader.get(URL, {"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["errors"] == {"cursor": ["This cursor is damaged. Start again from the first page."]}
