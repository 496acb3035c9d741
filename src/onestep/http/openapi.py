"""How views describe themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from onestep.http.pagination import MAX_PAGE_SIZE, PAGE_SIZE
from onestep.http.problems import CONTENT_TYPE
from onestep.http.viewsets import ResourceViewSet


class ProblemSerializer(serializers.Serializer[Any]):
    """An error, as RFC 9457 has it."""

    type = serializers.CharField(help_text="`urn:onestep:problem:<id>`; docs/errors.md explains each id.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What is wrong, for the person who reads it.")
    request_id = serializers.CharField(required=False, help_text="Quote it when you report the problem.")
    errors = serializers.DictField(required=False, help_text="Field errors: each field's messages.")


PROBLEMS = {
    "400": "A value, a filter or the body is not valid; `errors` names the fields.",
    "401": "No valid credentials were given.",
    "403": "The caller lacks the permission.",
    "404": "There is nothing at this address.",
    "409": "The present state of the data does not allow it.",
    "412": "The row has changed since the ETag in If-Match.",
    "503": "The database does not answer at the moment; Retry-After says when to try again.",
}
HEADERS = {
    "ETag": {
        "schema": {"type": "string"},
        "description": "The tag of this form of the row, for If-Match and If-None-Match.",
    },
    "Location": {"schema": {"type": "string", "format": "uri"}, "description": "The address of the new row."},
}


class Schema(AutoSchema):
    """Describes documents as what is read, serializers as what is written, and every problem a verb can answer."""

    def _is_resource(self) -> bool:
        return isinstance(self.view, ResourceViewSet)

    def get_tags(self) -> list[str]:
        """Group operations by the resource's path."""
        parts = self.path.removeprefix("/api/v1/").split("/")
        return [parts[0]]

    def get_response_serializers(self) -> Any:
        """Return what is read."""
        if self._is_resource() and self.method != "DELETE":
            return self.view.document_serializer
        return super().get_response_serializers()

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters that lists and preconditions take."""
        if not self._is_resource():
            return []
        if self._is_list_view():
            names = sorted(self.view.orderings)
            choices = [*names, *(f"-{name}" for name in names)]
            return [
                OpenApiParameter("cursor", description="Where to go on: taken from `next` or `previous`."),
                OpenApiParameter(
                    "page_size",
                    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE},
                    description="Rows on a page.",
                ),
                OpenApiParameter(
                    "ordering",
                    {"type": "string", "enum": choices, "default": self.view.default_ordering},
                    description="The order of the rows; a leading - reverses it.",
                ),
                OpenApiParameter(
                    "count", bool, description="Whether to count all rows that match, which takes longer."
                ),
            ]
        if self.method in {"PUT", "PATCH", "DELETE"}:
            return [
                OpenApiParameter(
                    "If-Match",
                    OpenApiTypes.STR,
                    OpenApiParameter.HEADER,
                    description="The ETag that was read: 412 if it has changed.",
                )
            ]
        if self.method == "GET":
            return [
                OpenApiParameter(
                    "If-None-Match",
                    OpenApiTypes.STR,
                    OpenApiParameter.HEADER,
                    description="The ETag that is held: 304 if it is current.",
                )
            ]
        return []

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self._is_resource() and self.method == "GET" and getattr(self.view, "action", "") == "list"

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Add problems, headers and the page's form to what the framework makes."""
        operation = super().get_operation(*args, **kwargs)
        if not operation:
            return operation
        responses = operation["responses"]
        problem = self.resolve_serializer(ProblemSerializer, "response").ref
        for code in self._problem_codes(operation):
            responses.setdefault(code, {"description": PROBLEMS[code], "content": {CONTENT_TYPE: {"schema": problem}}})
        if self._is_resource():
            self._describe_success(responses)
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _describe_success(self, responses: dict[str, Any]) -> None:
        if self._is_list_view():
            content = responses["200"]["content"]["application/json"]
            items = content["schema"].get("items", content["schema"])
            content["schema"] = page_schema(items)
            return
        if self.method == "GET" and "200" in responses:
            responses["304"] = {"description": "The client holds the current form."}
        for code in ("200", "201"):
            if code in responses and self.method != "DELETE":
                names = ["ETag", "Location"] if code == "201" else ["ETag"]
                responses[code]["headers"] = {name: HEADERS[name] for name in names}

    def _problem_codes(self, operation: dict[str, Any]) -> list[str]:
        codes = ["503"]
        if operation.get("security"):
            codes += ["401", "403"]
        if "{" in self.path:
            codes.append("404")
        if operation.get("requestBody") or self._is_list_view():
            codes.append("400")
        if self._is_resource() and self.method in {"PUT", "PATCH", "DELETE"}:
            codes += ["409", "412"]
        if self._is_resource() and self.method == "POST":
            codes.append("409")
        return codes


def page_schema(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a page of `items`."""
    link = {"type": "string", "format": "uri", "nullable": True}
    return {
        "type": "object",
        "required": ["next", "previous", "results"],
        "properties": {
            "next": {**link, "description": "The next page, or null on the last."},
            "previous": {**link, "description": "The page before, or null on the first."},
            "count": {"type": "integer", "description": "All rows that match; only where `count=true` asked for it."},
            "results": {"type": "array", "items": items},
        },
    }
