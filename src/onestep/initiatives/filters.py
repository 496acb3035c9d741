"""Which initiatives a list has."""

from __future__ import annotations

from datetime import date
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from onestep.dates import END_KEY
from onestep.http.filters import DateFilter, ListFilterSet, RelatedCodeFilter, RelationFilter, SwitchFilter
from onestep.initiatives.hierarchy import ids_below
from onestep.initiatives.models import Initiative, InitiativeQuerySet, Status, TeamMember


class ChoiceItemField(django_filters.fields.ChoiceField):
    """One of several choices; an empty one, such as after a comma too many, is none of them."""

    def validate(self, value: Any) -> None:
        """Raise ValidationError for what is not a choice."""
        if not value or not self.valid_value(value):
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice", params={"value": value})


class ChoicesFilter(django_filters.BaseInFilter, django_filters.ChoiceFilter):
    """Keeps the rows that have one of several values, which are given separated by commas."""

    field_class = ChoiceItemField


class InitiativeFilterSet(ListFilterSet):
    """Which initiatives. Ranges of dates take in both ends; of an open end no day is known."""

    kind = ChoicesFilter(choices=Initiative.Kind.choices, help_text="One or several, separated by commas.")
    status = ChoicesFilter(
        choices=Status.choices, method="filter_status", help_text="Of today: one or several, separated by commas."
    )
    coordinator = RelationFilter(related="people.Person", help_text="The id of who coordinates it.")
    parent = RelationFilter(related="initiatives.Initiative", help_text="The id of what it is directly a part of.")
    root = SwitchFilter(
        "parent", lookup_expr="isnull", help_text="`true`: those that are a part of nothing; `false`: the others."
    )
    ancestor = RelationFilter(
        related="initiatives.Initiative",
        method="filter_ancestor",
        help_text="The id of an initiative: everything below it, however deep.",
    )
    campus = RelationFilter(related="groups.Campus", help_text="The id of the campus.")
    campus_code = RelatedCodeFilter(
        "campus__sort_code", related="groups.Campus", help_text="The code of the campus, whatever its case."
    )
    group = RelationFilter(related="groups.Group", method="filter_group", help_text="The id of one of its groups.")
    knowledge_area = RelationFilter(
        related="groups.KnowledgeArea", method="filter_knowledge_area", help_text="The id of one of its areas."
    )
    team_member = RelationFilter(
        related="people.Person",
        method="filter_team_member",
        help_text="The id of a person on its team; with `team_role`, in that role.",
    )
    team_role = django_filters.ChoiceFilter(
        choices=TeamMember.Role.choices, method="filter_team_role", help_text="A role that somebody on its team has."
    )
    start_date_after = DateFilter("start_date", lookup_expr="gte", help_text="Starts on this day or later.")
    start_date_before = DateFilter("start_date", lookup_expr="lte", help_text="Starts on this day or earlier.")
    end_date_after = DateFilter(
        method="filter_end_date_after", help_text="Ends on this day or later; not those with an open end."
    )
    end_date_before = DateFilter(method="filter_end_date_before", help_text="Ends on this day or earlier.")
    active_on = DateFilter(method="filter_active_on", help_text="Under way on this day.")

    def filter_status(self, queryset: InitiativeQuerySet, name: str, value: list[str]) -> InitiativeQuerySet:
        """Keep those with one of the statuses."""
        return queryset.with_status(*value)

    def filter_ancestor(self, queryset: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        """Keep those below the initiative."""
        return queryset.filter(pk__in=ids_below(value))

    def filter_group(self, queryset: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        """Keep those that have the group."""
        through = Initiative.groups.through._default_manager
        return queryset.filter(Exists(through.filter(initiative=OuterRef("pk"), group=value)))

    def filter_knowledge_area(self, queryset: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        """Keep those that have the knowledge area."""
        through = Initiative.knowledge_areas.through._default_manager
        return queryset.filter(Exists(through.filter(initiative=OuterRef("pk"), knowledgearea=value)))

    def filter_team_member(self, queryset: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        """Keep those with the person on the team; with `team_role`, in that role."""
        role = self.form.cleaned_data["team_role"]
        return _with_team_member(queryset, person=value, **({"role": role} if role else {}))

    def filter_team_role(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep those with somebody in the role; where a person is given too, `filter_team_member` looks for both."""
        return queryset if self.form.cleaned_data["team_member"] else _with_team_member(queryset, role=value)

    # The index on ends is one on END_KEY, so that it serves for the ordering too.

    def filter_end_date_after(self, queryset: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        """Keep those that end on the day or later."""
        return queryset.filter(GreaterThanOrEqual(END_KEY, value), end_date__isnull=False)

    def filter_end_date_before(self, queryset: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        """Keep those that end on the day or earlier."""
        return queryset.filter(LessThanOrEqual(END_KEY, value), end_date__isnull=False)

    def filter_active_on(self, queryset: QuerySet[Any], name: str, value: date) -> QuerySet[Any]:
        """Keep those under way on the day."""
        return queryset.filter(Q(start_date__lte=value), GreaterThanOrEqual(END_KEY, value))


def _with_team_member(queryset: QuerySet[Any], **member: Any) -> QuerySet[Any]:
    return queryset.filter(Exists(TeamMember.objects.filter(initiative=OuterRef("pk"), **member)))
