"""Filters of lists. A name or a value that is not understood is an error with its field, never an unfiltered list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Value
from django_filters.constants import EMPTY_VALUES
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.drainage import set_override
from rest_framework.request import Request

from onestep.errors import InvalidError
from onestep.http import pagination
from onestep.http.fields import ID_SCHEMA, MAX_ID
from onestep.search import Fold, search


class ListFilterSet(django_filters.FilterSet):
    """The base of every list's filters: text search and the rule on unknown names."""

    search = django_filters.CharFilter(
        method="filter_search",
        max_length=200,
        help_text="Words that all have to occur, whatever their case and accents.",
    )

    def filter_search(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep the rows that have every word."""
        return search(queryset, value)


class RelationFilter(django_filters.NumberFilter):
    """Keeps the rows that are related to the row with this id. An id that is nobody's is an error."""

    noun = "id"

    def __init__(self, *args: Any, related: str, **kwargs: Any) -> None:
        self.related = related
        kwargs.setdefault("min_value", 1)
        kwargs.setdefault("max_value", MAX_ID)
        kwargs.setdefault("decimal_places", 0)
        super().__init__(*args, **kwargs)
        set_override(self, "field", {**ID_SCHEMA, "description": kwargs.get("help_text", "")})

    def find(self, value: Any) -> Any:
        """Return the row of the value, or none."""
        return apps.get_model(self.related)._default_manager.filter(pk=value)


class FoldedFilter(django_filters.CharFilter):
    """Compares with a folded column (`onestep.search.sort_key`): case and accents do not matter."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep the rows."""
        return qs.filter(**{f"{self.field_name}__{self.lookup_expr}": Fold(Value(value))}) if value else qs


class RelatedCodeFilter(FoldedFilter):
    """Keeps the rows that are related to the row with this code, whatever its case; that it is nobody's is an error.

    The related model has its folded code in `sort_code`.
    """

    noun = "code"

    def __init__(self, *args: Any, related: str, **kwargs: Any) -> None:
        self.related = related
        super().__init__(*args, **kwargs)

    def find(self, value: str) -> Any:
        """Return the row of the value, or none."""
        return apps.get_model(self.related)._default_manager.filter(sort_code=Fold(Value(value)))


class DateFilter(django_filters.DateFilter):
    """Compares with a date in the form YYYY-MM-DD; Django's own takes other forms too, and guesses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("input_formats", ["%Y-%m-%d"])
        super().__init__(*args, **kwargs)


class MomentField(forms.DateTimeField):
    """A date and a time of day, in UTC where no offset is given; returned in UTC.

    PostgreSQL does not read every offset from UTC that Python does.
    """

    def to_python(self, value: Any) -> datetime | None:
        """Return the moment. Raises ValidationError for one before the year 1 or after 9999."""
        moment = super().to_python(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(django_filters.DateTimeFilter):
    """Compares with a moment."""

    field_class = MomentField


class SwitchFilter(django_filters.TypedChoiceFilter):
    """True or false; the framework's own takes anything else for no filter at all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(*args, choices=choices, coerce=lambda value: value == "true", **kwargs)
        set_override(self, "field", {"type": "boolean", "description": kwargs.get("help_text", "")})


class FilterBackend(DjangoFilterBackend):
    """Applies a view's filter set, strictly."""

    reserved = frozenset({*pagination.PARAMETERS, "format"})

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:  # type: ignore[override]
        """Return the filtered rows.

        Raises InvalidError that names each unknown parameter and each value that is not valid.
        """
        params = request.query_params
        known = view.filterset_class.base_filters
        errors = {name: ["There is no such filter."] for name in sorted(set(params) - self.reserved - set(known))}
        errors |= {name: ["Give it a value, or leave it out."] for name in params if not params[name].strip()}
        errors |= {name: ["Give it once."] for name in params if len(params.getlist(name)) > 1}
        if errors:
            raise InvalidError(errors)
        if not set(params) - self.reserved:
            return queryset  # making a filter set costs a third of a millisecond
        filterset: django_filters.FilterSet = view.filterset_class(params, queryset, request=request)
        if not filterset.is_valid():
            raise InvalidError({name: [str(message) for message in found] for name, found in filterset.errors.items()})
        check_related(filterset)
        return filterset.qs


def check_related(filterset: django_filters.FilterSet) -> None:
    """Raise InvalidError where a filter names a related row that is not there. Takes one query at the most."""
    values = filterset.form.cleaned_data
    given = {
        name: found
        for name, found in filterset.filters.items()
        if isinstance(found, RelationFilter | RelatedCodeFilter) and values.get(name) not in EMPTY_VALUES
    }
    if not given:
        return
    queries = [found.find(values[name]).order_by().values_list(Value(name), flat=True) for name, found in given.items()]
    there = set(queries[0].union(*queries[1:], all=True) if queries[1:] else queries[0])
    errors = {
        name: [f"There is none with the {found.noun} {values[name]}."]
        for name, found in given.items()
        if name not in there
    }
    if errors:
        raise InvalidError(errors)
