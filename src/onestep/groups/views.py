"""`/api/v1/campuses/`, `/api/v1/knowledge-areas/`, `/api/v1/groups/` and `/api/v1/leaderships/`."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from onestep.dates import END_KEY
from onestep.groups import services
from onestep.groups.documents import CampusSerializer, GroupSerializer, KnowledgeAreaSerializer, LeadershipSerializer
from onestep.groups.models import Campus, Group, KnowledgeArea, Leadership
from onestep.groups.serializers import (
    CampusInputSerializer,
    GroupInputSerializer,
    KnowledgeAreaInputSerializer,
    LeadershipInputSerializer,
)
from onestep.http.filters import (
    DateFilter,
    FoldedFilter,
    ListFilterSet,
    RelatedCodeFilter,
    RelationFilter,
    SwitchFilter,
)
from onestep.http.permissions import ChangePermissions
from onestep.http.problems import lost_row
from onestep.http.viewsets import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from onestep.people.models import Person


class CampusFilterSet(ListFilterSet):
    """Which campuses."""

    code = FoldedFilter("sort_code", help_text="The code, whatever its case.")
    location = django_filters.CharFilter(lookup_expr="iexact", help_text="The location, whatever its case.")


class CampusViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Campuses: the places of the organisation.

    One that groups or initiatives are on is not deleted: 409 `campus_in_use`, with their number and the first ten of
    each.
    """

    queryset = Campus.objects.all()
    serializer_class = CampusInputSerializer
    document_serializer = CampusSerializer
    filterset_class = CampusFilterSet
    orderings = {"name": "sort_name", "code": "sort_code", "created_at": "created_at"}
    default_ordering = "name"
    create_service = services.create_campus
    update_service = services.update_campus
    delete_service = services.delete_campus


class KnowledgeAreaFilterSet(ListFilterSet):
    """Which knowledge areas."""

    name = FoldedFilter("sort_name", help_text="The name, whatever its case and accents.")


class KnowledgeAreaViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Knowledge areas: what groups and initiatives are about.

    One that groups or initiatives have is not deleted: 409 `knowledge_area_in_use`, with their number and the first ten
    of each.
    """

    queryset = KnowledgeArea.objects.all()
    serializer_class = KnowledgeAreaInputSerializer
    document_serializer = KnowledgeAreaSerializer
    filterset_class = KnowledgeAreaFilterSet
    orderings = {"name": "sort_name", "created_at": "created_at"}
    default_ordering = "name"
    create_service = services.create_knowledge_area
    update_service = services.update_knowledge_area
    delete_service = services.delete_knowledge_area


class GroupFilterSet(ListFilterSet):
    """Which groups."""

    campus = RelationFilter(related="groups.Campus", help_text="The id of the campus.")
    campus_code = RelatedCodeFilter(
        "campus__sort_code", related="groups.Campus", help_text="The code of the campus, whatever its case."
    )
    kind = django_filters.ChoiceFilter(choices=Group.Kind.choices)
    short_name = FoldedFilter("sort_short_name", help_text="The short name, whatever its case and accents.")
    knowledge_area = RelationFilter(
        "knowledge_areas", related="groups.KnowledgeArea", help_text="The id of one of its knowledge areas."
    )
    member = RelationFilter("memberships__person", related="people.Person", help_text="The id of one of its members.")
    leader = RelationFilter(
        method="filter_leader", related="people.Person", help_text="The id of a person who leads it today."
    )

    def filter_leader(self, queryset: QuerySet[Group], name: str, value: Any) -> QuerySet[Group]:
        """Keep the groups that the person leads today."""
        return queryset.filter(Exists(Leadership.objects.active().filter(group=OuterRef("pk"), person=value)))


class GroupViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Groups of research and extension.

    One that initiatives name is not deleted: 409 `group_in_use`, with their number and the first ten. With a group go
    its memberships and leaderships.
    """

    queryset = Group.objects.all()
    serializer_class = GroupInputSerializer
    document_serializer = GroupSerializer
    filterset_class = GroupFilterSet
    orderings = {"name": "sort_name", "short_name": "sort_short_name", "created_at": "created_at"}
    default_ordering = "name"
    create_service = services.create_group
    update_service = services.update_group
    delete_service = services.delete_group

    @extend_schema(
        request=None,
        responses=OpenApiResponse(GroupSerializer, description="The group as it now is."),
        summary="Add a member to a group",
    )
    @action(
        methods=["put"],
        detail=True,
        url_path=r"members/(?P<person>[0-9]{1,18})",
        permission_classes=[ChangePermissions],
    )
    def member(self, request: Request, pk: str, person: str) -> Response:
        """Make a person a member; answers the group. Who is one already stays one."""
        with transaction.atomic():
            group = cast("Group", self.lock(request, pk))
            services.add_member(group, self._person(person))
            return self.answer(pk)

    @extend_schema(
        request=None,
        responses={204: OpenApiResponse(description="The person is not a member.")},
        summary="Remove a member from a group",
    )
    @member.mapping.delete
    def remove_member(self, request: Request, pk: str, person: str) -> Response:
        """End a person's membership. Who is not a member stays none."""
        with transaction.atomic():
            group = cast("Group", self.lock(request, pk))
            services.remove_member(group, self._person(person))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @staticmethod
    def _person(pk: str) -> Person:
        person = Person.objects.filter(pk=pk).first()
        if person is None:
            raise lost_row(Person)
        return person


class LeadershipFilterSet(ListFilterSet):
    """Which leaderships. Ranges of dates take in both ends."""

    group = RelationFilter(related="groups.Group", help_text="The id of the group.")
    person = RelationFilter(related="people.Person", help_text="The id of the person.")
    campus = RelationFilter("group__campus", related="groups.Campus", help_text="The id of the group's campus.")
    active = SwitchFilter(method="filter_active", help_text="Whether the person leads the group today.")
    start_date_after = DateFilter("start_date", lookup_expr="gte", help_text="Started on this day or later.")
    start_date_before = DateFilter("start_date", lookup_expr="lte", help_text="Started on this day or earlier.")
    end_date_after = DateFilter(
        "end_date", lookup_expr="gte", help_text="Ended on this day or later; not those without an end."
    )
    end_date_before = DateFilter("end_date", lookup_expr="lte", help_text="Ended on this day or earlier.")

    def filter_search(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the leaderships whose person or whose group has every word."""
        return queryset.search(value)

    def filter_active(self, queryset: Any, name: str, value: bool) -> Any:  # noqa: FBT001
        """Keep those of today, or the others."""
        return queryset.active() if value else queryset.inactive()


class LeadershipViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Leaderships: who leads and led a group, from when to when.

    To end one, PATCH its `end_date`. Once that day has come, its dates stay: 409 `leadership_ended`. A person who leads
    the group again has a new leadership; two of the same person in the same group never overlap.
    """

    queryset = Leadership.objects.all()
    serializer_class = LeadershipInputSerializer
    document_serializer = LeadershipSerializer
    filterset_class = LeadershipFilterSet
    orderings = {"start_date": "start_date", "end_date": END_KEY, "created_at": "created_at"}
    default_ordering = "-start_date"
    create_service = services.create_leadership
    update_service = services.update_leadership
    delete_service = services.delete_leadership
