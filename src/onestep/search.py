"""Text search that ignores case and accents, and the ordering of names that goes with it.

`onestep_fold` is made by the first migration of `people`. It is immutable, so that generated columns and indexes can
use it, and its result is compared byte by byte (collation "C"): no index depends on a collation library's version.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import CharField, F, Func, GeneratedField, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce, Concat


class Fold(Func):
    """The text without case and accents."""

    function = "onestep_fold"
    arity = 1
    output_field = TextField()


def sort_key(field: str) -> GeneratedField:
    """Return the stored column by which rows are ordered by a text field."""
    return _generated(Fold(F(field)))


def search_key(*fields: str) -> GeneratedField:
    """Return the stored column in which `search` looks: the fields, joined by a space."""
    parts: list[Any] = []
    for field in fields:
        parts += [Value(" "), Coalesce(F(field), Value(""), output_field=CharField())]
    return _generated(Fold(Concat(*parts[1:], output_field=TextField())) if len(fields) > 1 else Fold(F(fields[0])))


def _generated(expression: Fold) -> GeneratedField:
    return GeneratedField(
        expression=expression, output_field=TextField(db_collation="C"), db_persist=True, editable=False
    )


def search_index(name: str) -> GinIndex:
    """Return the trigram index that `search` needs on a model's `search_text`."""
    return GinIndex(OpClass(F("search_text"), name="gin_trgm_ops"), name=name)


def search(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Return the rows whose `search_text` has every word of `text` in it."""
    condition = Q()
    for word in text.split()[:8]:
        condition &= Q(search_text__contains=Fold(Value(word)))
    return queryset.filter(condition)
