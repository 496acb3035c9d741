"""JSON in and out by orjson, which puts a document that the database made into an answer unparsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django.utils.encoding import force_str
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer


def _default(value: object) -> str:
    if isinstance(value, Promise):
        return force_str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


class JSONRenderer(BaseRenderer):
    """Renders as JSON; `orjson.Fragment` values go in as they are."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return `data` as UTF-8 JSON; nothing at all for None, as a 204 has it."""
        if data is None:
            return b""
        return orjson.dumps(data, default=_default)


class BrowsableRenderer(BrowsableAPIRenderer):
    """The browsable API, with the JSON indented for reading."""

    def get_default_renderer(self, view: Any) -> BaseRenderer:
        """Return the renderer of the shown content."""
        return _IndentedRenderer()


class _IndentedRenderer(JSONRenderer):
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        compact = super().render(data, accepted_media_type, renderer_context)
        return orjson.dumps(orjson.loads(compact), option=orjson.OPT_INDENT_2) if compact else b""


class JSONParser(BaseParser):
    """Parses a JSON body, which is an object at every address of this API."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Return the parsed body.

        Raises ParseError where it is not a JSON object in UTF-8.
        """
        try:
            body = orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: line {error.lineno}, column {error.colno}.") from None
        if not isinstance(body, dict):
            raise ParseError("The body is not a JSON object.")
        return body
