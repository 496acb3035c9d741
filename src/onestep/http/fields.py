"""Fields of what is written that the framework lacks."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet, Value
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from onestep.search import Fold

MAX_ID = 2**63 - 1
ID_SCHEMA = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
MAX_CODE_LENGTH = 100


class TextField(serializers.CharField):
    """A text. The framework's own takes a number too, and stores its digits."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(ID_SCHEMA)
class RelatedIdField(serializers.IntegerField):
    """The id of an existing row."""

    def __init__(self, queryset: QuerySet[Any], **kwargs: Any) -> None:
        self.queryset = queryset
        super().__init__(min_value=1, max_value=MAX_ID, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        """Return the row. The bounds are checked on its id, before."""
        pk = super().run_validation(data)
        return pk if pk is None else self.find(pk=pk, shown=f"id {pk}")

    def find(self, *, shown: str, **condition: Any) -> Model:
        """Return the one row of the condition, or raise ValidationError that says what was looked for."""
        row: Model | None = self.queryset.filter(**condition).first()
        if row is None:
            raise serializers.ValidationError([f"There is none with the {shown}."])
        return row


@extend_schema_field(
    {
        "oneOf": [ID_SCHEMA, {"type": "string", "minLength": 1, "maxLength": MAX_CODE_LENGTH}],
        "description": "The id (a number) or the code (a text).",
    }
)
class RelatedIdOrCodeField(RelatedIdField):
    """The id of an existing row as a number, or its code as a text, whatever the code's case.

    `code_key` is the model's column with the folded code (`onestep.search.sort_key`).
    """

    default_error_messages = {"invalid": "Give an id as a number, or a code as a text."}

    def __init__(self, queryset: QuerySet[Any], *, code_key: str = "sort_code", **kwargs: Any) -> None:
        self.code_key = code_key
        super().__init__(queryset, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        """Return the row."""
        if not isinstance(data, str):
            return super().run_validation(data)
        code = serializers.CharField(max_length=MAX_CODE_LENGTH).run_validation(data)
        return self.find(**{self.code_key: Fold(Value(code))}, shown=f"code {code}")


@extend_schema_field({"type": "array", "items": ID_SCHEMA, "maxItems": 500})
class RelatedIdsField(serializers.ListField):
    """A list of ids of existing rows, looked up in one query (the framework's own takes one per id)."""

    child = serializers.IntegerField(min_value=1, max_value=MAX_ID)

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
