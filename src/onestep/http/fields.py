"""Fields of what is written that the framework lacks."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field(
    {"type": "array", "items": {"type": "integer", "minimum": 1}, "uniqueItems": True, "maxItems": 500}
)
class RelatedIdsField(serializers.ListField):
    """A list of ids of existing rows, looked up in one query (the framework's own takes one per id)."""

    child = serializers.IntegerField(min_value=1, max_value=2**63 - 1)

    def __init__(self, queryset: QuerySet[Any], **kwargs: Any) -> None:
        self.queryset = queryset
        kwargs.setdefault("max_length", 500)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> list[Model]:
        """Return the rows in the order of their ids as given, each once."""
        ids = list(dict.fromkeys(super().to_internal_value(data)))
        rows = self.queryset.in_bulk(ids)
        missing = [str(pk) for pk in ids if pk not in rows]
        if missing:
            raise serializers.ValidationError([f"There is none with the id {', '.join(missing)}."])
        return [rows[pk] for pk in ids]
