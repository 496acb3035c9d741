"""What the OpenAPI document says of signing in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient


@pytest.fixture
def document(db: None) -> Any:
    """The document as a client reads it."""
    response = APIClient().get("/api/schema/", HTTP_ACCEPT="application/json")
    assert "request_id" not in json.dumps(response.json()["paths"])
    return response.json()


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("token/", ["200", "400", "401", "415", "429", "503"]),
        ("token/refresh/", ["200", "400", "401", "415", "503"]),
        ("token/verify/", ["200", "400", "401", "415", "503"]),
        ("logout/", ["204", "400", "401", "415", "503"]),
    ],
)
def test_describe_auth(document: Any, address: str, codes: list[str]) -> None:
    """None of these takes a token, and each says what it answers."""
    operation = document["paths"][f"/api/v1/auth/{address}"]["post"]
    assert operation["tags"] == ["auth"]
    assert not any(operation["security"])
    assert sorted(operation["responses"]) == codes
    assert all(found["description"] for found in operation["responses"].values())


def test_describe_too_many_attempts(document: Any) -> None:
    answer = document["paths"]["/api/v1/auth/token/"]["post"]["responses"]["429"]
    assert list(answer["headers"]) == ["Retry-After"]
    [example] = answer["content"]["application/problem+json"]["examples"].values()
    assert example["value"]["type"] == "urn:onestep:problem:too_many_attempts"


def test_describe_me(document: Any) -> None:
    """It takes a token or a session."""
    assert document["paths"]["/api/v1/auth/me/"]["get"]["security"] == [{"bearer": []}, {"cookieAuth": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
