"""How views describe themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.encoding import force_str
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from onestep.http.pagination import MAX_PAGE_SIZE, PAGE_SIZE
from onestep.http.problems import CONTENT_TYPE, problem
from onestep.http.viewsets import ResourceViewSet


class ProblemSerializer(serializers.Serializer[Any]):
    """An error, as RFC 9457 has it. Some problems have further members, such as a count."""

    type = serializers.CharField(help_text="`urn:onestep:problem:<id>`; the id is stable.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What is wrong, for the person who reads it.")
    request_id = serializers.CharField(required=False, help_text="Quote it when you report the problem.")


class InvalidProblemSerializer(ProblemSerializer):
    """A problem with values: `errors` maps a field to its messages, nested as the body is."""

    def get_fields(self) -> dict[str, Any]:
        """Add `errors`, a name that the framework's serializers use for something else."""
        return super().get_fields() | {"errors": serializers.DictField(required=False)}


def problem_example(status: int, detail: str, *, code: str | None = None) -> dict[str, Any]:
    """Return a problem as an example: without the id of the request in which it happens to be made."""
    return {name: value for name, value in problem(status, detail, code=code).items() if name != "request_id"}


def problem_answer(status: int, detail: str, *, code: str) -> OpenApiResponse:
    """Return the description of a problem that is a view's own, for its `extend_schema`."""
    example = OpenApiExample(code, problem_example(status, detail, code=code), response_only=True)
    return OpenApiResponse(ProblemSerializer, detail, [example])


PROBLEMS = {
    "400": "A value, a filter or the body is not valid; `errors` names the fields.",
    "401": "No valid credentials were given.",
    "403": "The caller lacks the permission.",
    "404": "There is nothing at this address.",
    "409": "The present state of the data does not allow it.",
    "411": "The body has no Content-Length.",
    "412": "The row has changed since the ETag in If-Match.",
    "413": "The file is larger than this service accepts; `limit` says how many bytes it may have.",
    "415": "The body is of a type that this address does not take.",
    "416": "The file has no such part; Content-Range says how long it is.",
    "503": "The database does not answer at the moment; Retry-After says when to try again.",
}
HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "The tag of this form, for If-Match and If-None-Match."},
    "Location": {"schema": {"type": "string", "format": "uri"}, "description": "The address of the new row."},
}
# The server's own answer, which is no problem document.
TOO_LONG = {"description": f"The address is longer than {settings.MAX_REQUEST_LINE} bytes."}
SUMMARIES = {
    "list": "List {many}",
    "retrieve": "Read one of the {many}",
    "create": "Add to the {many}",
    "update": "Replace one of the {many}",
    "partial_update": "Change one of the {many}",
    "destroy": "Delete one of the {many}",
}
_IF_MATCH = OpenApiParameter(
    "If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="The ETag that was read: 412 if it has changed."
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag that is held: 304 if it is current.",
)


class Schema(AutoSchema):
    """Describes documents as what is read, serializers as what is written, and the problems a verb can answer."""

    @property
    def resource_view(self) -> ResourceViewSet | None:
        """The view, where it is one of a resource."""
        return self.view if isinstance(self.view, ResourceViewSet) else None

    @property
    def lists(self) -> bool:
        """Whether the operation answers a page."""
        return self.resource_view is not None and getattr(self.view, "action", "") == "list"

    def get_tags(self) -> list[str]:
        """Group operations by the resource's path."""
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def get_summary(self) -> str | None:
        """Say in a few words what the operation does."""
        form = SUMMARIES.get(getattr(self.view, "action", ""))
        if self.resource_view and form:
            return form.format(many=force_str(self.resource_view.resource._meta.verbose_name_plural))
        return super().get_summary()

    def get_description(self) -> str:  # type: ignore[override]
        """Describe a resource's own verbs by the view's docstring, which says what the resource is."""
        if self.resource_view and getattr(self.view, "action", "") in SUMMARIES:
            return str(self.view.get_view_description() or "")
        return super().get_description()

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:  # noqa: FBT001, FBT002
        """Name what is written `PersonRequest`, beside `Person`, which is read."""
        name: str = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return name.replace("InputRequest", "Request")

    def get_response_serializers(self) -> Any:
        """Return what is read."""
        if self.resource_view and self.method != "DELETE":
            return self.resource_view.document_serializer
        return super().get_response_serializers()

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters that lists and preconditions take."""
        if not self.resource_view:
            return []
        if self.lists:
            return self._list_parameters(self.resource_view)
        if self.method in {"PUT", "PATCH", "DELETE"}:
            return [_IF_MATCH]
        return [_IF_NONE_MATCH] if getattr(self.view, "action", "") == "retrieve" else []

    def _list_parameters(self, view: ResourceViewSet) -> list[Any]:
        names = sorted(view.orderings)
        choices = [*names, *(f"-{name}" for name in names)]
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE}
        ordering = {"type": "string", "enum": choices, "default": view.default_ordering}
        return [
            OpenApiParameter("cursor", description="Where to go on: taken from `next` or `previous`."),
            OpenApiParameter("page_size", size, description="Rows on a page."),
            OpenApiParameter("ordering", ordering, description="The order of the rows; a leading - reverses it."),
            OpenApiParameter("count", bool, description="Whether to count all rows that match, which takes longer."),
        ]

    def _is_list_view(self, serializer: Any = None) -> bool:
        if self.resource_view:
            return self.lists
        return bool(super()._is_list_view(serializer))

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Add problems, headers and the page's form to what the framework makes."""
        operation = super().get_operation(*args, **kwargs)
        if not operation:
            return operation
        responses = operation["responses"]
        if self.resource_view:
            self._describe_success(responses)
        if self.resource_view and self.lists:
            _describe_texts(operation["parameters"], self.resource_view)
            responses["414"] = TOO_LONG
        for code in self._problem_codes(operation):
            responses.setdefault(code, self._problem_response(code))
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _problem_response(self, code: str) -> dict[str, Any]:
        serializer = InvalidProblemSerializer if code == "400" else ProblemSerializer
        example = problem_example(int(code), PROBLEMS[code])
        if code == "400":
            example["errors"] = {"name": ["This field is required."]}
        content = {"schema": self.resolve_serializer(serializer, "response").ref, "example": example}
        return {"description": PROBLEMS[code], "content": {CONTENT_TYPE: content}}

    def _describe_success(self, responses: dict[str, Any]) -> None:
        if self.lists:
            content = responses["200"]["content"]["application/json"]
            content["schema"] = page_schema(content["schema"].get("items", content["schema"]))
            responses["200"]["description"] = "A page."
            return
        if getattr(self.view, "action", "") == "retrieve":
            responses["304"] = {"description": "The client holds the current form."}
        for code in ("200", "201"):
            if code in responses and getattr(self.view, "action", "") in SUMMARIES:
                names = ["ETag", "Location"] if code == "201" else ["ETag"]
                responses[code]["headers"] = {name: HEADERS[name] for name in names}
                responses[code]["description"] = "The row as it now is."

    def _problem_codes(self, operation: dict[str, Any]) -> list[str]:
        codes = ["503"]
        if any(operation.get("security", [])):
            codes += ["401", "403"]
        if "{" in self.path:
            codes.append("404")
        if operation.get("requestBody"):
            codes += ["400", "415"]
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
            codes += ["411", "413"]
        if "206" in operation["responses"]:
            codes.append("416")
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            codes.append("400")
        if self.resource_view and self.method in {"PUT", "PATCH", "DELETE"}:
            codes += ["409", "412"]
        if self.resource_view and self.method == "POST":
            codes.append("409")
        return codes


def _describe_texts(parameters: list[dict[str, Any]], view: ResourceViewSet) -> None:
    """Say how long a text in a list's query may be, and that an empty one is refused."""
    for parameter in parameters:
        schema = parameter["schema"]
        if schema.get("type") == "array":
            schema["minItems"] = 1
        elif schema.get("type") == "string" and not {"enum", "format"} & schema.keys():
            schema["minLength"] = 1
        found = view.filterset_class.base_filters.get(parameter["name"])
        if found and "max_length" in found.extra:
            schema["maxLength"] = found.extra["max_length"]


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
