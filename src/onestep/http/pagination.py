"""Keyset pages behind opaque, signed cursors.

A page is found by comparing (key, id) as a row with the last one seen, which an index on the same two answers at once:
the last page of a table costs what the first does. The framework's own cursor paging loses rows among ties and null
values (its issues 7887 and 8912); here a key is never null and the id breaks every tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.lookups import GreaterThan, LessThan
from rest_framework.request import Request

from onestep.documents import document_of
from onestep.errors import InvalidError
from onestep.http.parameters import integer_parameter

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
PARAMETERS = ("cursor", "page_size", "ordering", "count")
_signer = signing.Signer(salt="onestep.cursor")


class Row(Func):
    """`ROW(a, b)`. PostgreSQL compares two of them in order, which is one range of an index on the same columns."""

    function = "ROW"
    output_field = TextField()  # nominal: a row is only ever compared


@dataclass(frozen=True)
class Cursor:
    """A place in a list: after (or before, when `backwards`) the row with this key and id."""

    ordering: str
    backwards: bool
    key: str | int
    pk: int

    def encode(self) -> str:
        """Return the opaque form."""
        return _signer.sign_object([self.ordering, self.backwards, self.key, self.pk])

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Return the cursor of its opaque form.

        Raises InvalidError for one that this service did not make, or that was changed on its way.
        """
        try:
            return cls(*_signer.unsign_object(text))
        except (signing.BadSignature, ValueError, TypeError, UnicodeError):
            raise InvalidError({"cursor": ["This cursor is damaged. Start again from the first page."]}) from None


def _switch(request: Request, name: str) -> bool:
    raw = request.query_params.get(name, "false")
    if raw not in {"true", "false"}:
        raise InvalidError({name: ["Give true or false."]})
    return raw == "true"


def _ordering(request: Request, orderings: Mapping[str, Any], default: str, cursor: Cursor | None) -> str:
    chosen = request.query_params.get("ordering") or (cursor.ordering if cursor else default)
    if chosen.removeprefix("-") not in orderings:
        names = ", ".join(sorted(orderings))
        raise InvalidError({"ordering": [f"{chosen!r} is not one of {names}; a leading - reverses the order."]})
    if cursor and cursor.ordering != chosen:
        raise InvalidError({"cursor": ["This cursor belongs to another ordering."]})
    return chosen


def _link(request: Request, cursor: Cursor) -> str:
    params = {key: values for key, values in request.query_params.lists() if key != "cursor"}
    return request.build_absolute_uri(
        f"{request.path}?{urlencode({**params, 'cursor': [cursor.encode()]}, doseq=True)}"
    )


def paginate(
    queryset: QuerySet[Any], request: Request, *, orderings: Mapping[str, str | Combinable], default: str
) -> dict[str, Any]:
    """Return one page as `{next, previous, results}` in one query, and `count` where `?count=true` asks for it.

    `orderings` maps each public name to a column or expression that is never null. Results are documents as
    `orjson.Fragment`. Raises InvalidError for a damaged cursor or an unusable parameter.
    """
    raw = request.query_params.get("cursor")
    cursor = Cursor.decode(raw) if raw else None
    ordering = _ordering(request, orderings, default, cursor)
    size = integer_parameter(request, "page_size", default=PAGE_SIZE, most=MAX_PAGE_SIZE)
    count = {"count": queryset.order_by().count()} if _switch(request, "count") else {}

    backwards = bool(cursor and cursor.backwards)
    descending = ordering.startswith("-") != backwards
    key = orderings[ordering.removeprefix("-")]
    ordered = queryset.annotate(_key=F(key) if isinstance(key, str) else key, _document=document_of(queryset.model))
    ordered = ordered.order_by("-_key", "-pk") if descending else ordered.order_by("_key", "pk")
    if cursor:
        field = ordered.query.annotations["_key"].output_field
        try:
            value = Value(field.to_python(cursor.key), output_field=field)
        except ValidationError:
            raise InvalidError({"cursor": ["This cursor is damaged. Start again from the first page."]}) from None
        beyond = LessThan if descending else GreaterThan
        ordered = ordered.filter(beyond(Row(F("_key"), F("pk")), Row(value, Value(cursor.pk))))
    rows = list(ordered.values_list("_key", "pk", "_document")[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()

    def at(row: tuple[Any, int, str], *, back: bool) -> str:
        place = row[0] if isinstance(row[0], (str, int)) else row[0].isoformat()
        return _link(request, Cursor(ordering, back, place, row[1]))

    following = at(rows[-1], back=False) if rows and (more or backwards) else None
    preceding = at(rows[0], back=True) if rows and (more if backwards else cursor) else None
    return {
        "next": following,
        "previous": preceding,
        **count,
        "results": [orjson.Fragment(row[2]) for row in rows],
    }
