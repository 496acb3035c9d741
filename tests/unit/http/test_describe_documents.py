"""The OpenAPI document and what the service answers are held together, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft4Validator, FormatChecker

from onestep.documents import document_models
from onestep.operations.sample_data import Amounts, load_sample_data
from onestep.urls import router
from tests.factories import AttachmentFactory, date

STORED = Path(__file__).resolve().parents[3] / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The OpenAPI document as the code makes it."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def strict(node: Any) -> Any:
    """Return a JSON schema that refuses what the OpenAPI schema does not name, and knows `nullable`."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items() if key != "nullable"}
    if "properties" in made and isinstance(made["properties"], dict):
        made.setdefault("additionalProperties", False)
        made["required"] = sorted(made["properties"])
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def resources() -> Iterator[tuple[str, Any]]:
    """Each resource's name and view."""
    return ((prefix, view) for prefix, view, _ in router.registry)


def test_openapi_document_is_the_stored_one(tmp_path: Path) -> None:
    """A change of the API shows in review: `onestep spectacular --file docs/openapi.yaml` stores it."""
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert made.read_text(encoding="utf-8") == STORED.read_text(encoding="utf-8")


def test_list_describes_what_a_text_in_its_query_may_be(schema: dict[str, Any]) -> None:
    parameters = schema["paths"]["/api/v1/people/"]["get"]["parameters"]
    described = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert described["search"] == {"type": "string", "minLength": 1, "maxLength": 200}
    assert described["cursor"] == {"type": "string", "minLength": 1}


@pytest.mark.parametrize("part", ["ancestors/", "tree/"])
def test_operation_that_refuses_parameters_says_so(part: str, schema: dict[str, Any]) -> None:
    answers = schema["paths"][f"/api/v1/initiatives/{{id}}/{part}"]["get"]["responses"]
    problem = answers["400"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/InvalidProblem"}


def test_each_document_belongs_to_a_resource() -> None:
    assert {view.queryset.model for _, view in resources()} == {
        model._meta.pk.related_model for model in document_models()
    }


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", [prefix for prefix, _ in resources()])
def test_documents_fit_the_schema(prefix: str, schema: dict[str, Any], reader: Any, media_root: Path) -> None:
    """Every field of every row is described, and every described field is there."""
    load_sample_data(Amounts(initiatives=80, people=30, seed=3), today=date(2026, 3, 1))
    AttachmentFactory()
    operation = schema["paths"][f"/api/v1/{prefix}/"]["get"]
    page = operation["responses"]["200"]["content"]["application/json"]["schema"]
    components = strict({"components": schema["components"]})
    row = Draft4Validator(page["properties"]["results"]["items"] | components, format_checker=FormatChecker())
    answer = reader.get(f"/api/v1/{prefix}/", {"page_size": 100}).json()
    assert answer["results"]
    for document in answer["results"]:
        row.validate(document)
    assert set(answer) == {"next", "previous", "results"}
