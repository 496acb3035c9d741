"""`/api/v1/people/`."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet

from onestep.http.filters import ListFilterSet, RelationFilter, SwitchFilter
from onestep.http.viewsets import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from onestep.people import services
from onestep.people.documents import PersonSerializer
from onestep.people.models import Person
from onestep.people.serializers import PersonInputSerializer


class PersonFilterSet(ListFilterSet):
    """Which people."""

    email = django_filters.CharFilter(
        method="filter_email", max_length=254, help_text="The e-mail address, whatever its case."
    )
    coordinates = SwitchFilter(method="filter_coordinates", help_text="Whether they coordinate an initiative.")
    group = RelationFilter(
        field_name="memberships__group", related="groups.Group", help_text="The id of a group they are a member of."
    )
    team_of = RelationFilter(
        field_name="team_memberships__initiative",
        related="initiatives.Initiative",
        help_text="The id of an initiative they are on the team of.",
    )

    def filter_email(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep the person with the address."""
        return queryset.with_email(value)  # type: ignore[attr-defined, no-any-return]

    def filter_coordinates(self, queryset: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:  # noqa: FBT001
        """Keep those who coordinate, or those who do not."""
        return queryset.related_by("coordinated", present=value)  # type: ignore[attr-defined, no-any-return]


class PersonViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """People: who coordinates, staffs and leads. Not necessarily those who may sign in.

    One who coordinates initiatives is not deleted: 409 `person_coordinates`, with their number and the first ten.
    """

    queryset = Person.objects.all()
    serializer_class = PersonInputSerializer
    document_serializer = PersonSerializer
    filterset_class = PersonFilterSet
    orderings = {"name": "sort_name", "created_at": "created_at"}
    default_ordering = "name"
    create_service = services.create_person
    update_service = services.update_person
    delete_service = services.delete_person
