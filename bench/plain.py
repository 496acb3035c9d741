"""The usual way: the same resource by plain Django REST framework, on the same tables.

ModelSerializer, nested serializers, select_related and prefetch_related, page numbers; tokens and permissions as the
service has them. Served by `bench.plain_wsgi`, whose settings are the service's with these routes.
"""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import generics, pagination, serializers

from onestep.groups.models import Campus, Group, KnowledgeArea
from onestep.initiatives.models import Initiative, TeamMember
from onestep.people.models import Person


class CoordinatorSerializer(serializers.ModelSerializer[Person]):
    """A coordinator."""

    class Meta:
        model = Person
        fields = ("id", "name", "email")


class NamedPersonSerializer(serializers.ModelSerializer[Person]):
    """A person on a team."""

    class Meta:
        model = Person
        fields = ("id", "name")


class CampusSerializer(serializers.ModelSerializer[Campus]):
    """A campus."""

    class Meta:
        model = Campus
        fields = ("id", "name", "code")


class GroupSerializer(serializers.ModelSerializer[Group]):
    """A group."""

    class Meta:
        model = Group
        fields = ("id", "name", "short_name")


class KnowledgeAreaSerializer(serializers.ModelSerializer[KnowledgeArea]):
    """A knowledge area."""

    class Meta:
        model = KnowledgeArea
        fields = ("id", "name")


class ParentSerializer(serializers.ModelSerializer[Initiative]):
    """A parent."""

    class Meta:
        model = Initiative
        fields = ("id", "name", "kind")


class TeamMemberSerializer(serializers.ModelSerializer[TeamMember]):
    """A part in a team."""

    person = NamedPersonSerializer()

    class Meta:
        model = TeamMember
        fields = ("person", "role")


class InitiativeSerializer(serializers.ModelSerializer[Initiative]):
    """An initiative."""

    parent = ParentSerializer()
    coordinator = CoordinatorSerializer()
    campus = CampusSerializer()
    groups = GroupSerializer(many=True)
    knowledge_areas = KnowledgeAreaSerializer(many=True)
    team = TeamMemberSerializer(many=True, source="team_members")

    class Meta:
        model = Initiative
        fields = (
            "id",
            "name",
            "description",
            "kind",
            "start_date",
            "end_date",
            "parent",
            "coordinator",
            "campus",
            "groups",
            "knowledge_areas",
            "team",
            "created_at",
            "updated_at",
        )


class Pages(pagination.PageNumberPagination):
    """Page numbers, with the count that they need."""

    page_size = 20


class InitiativeList(generics.ListAPIView[Initiative]):
    """The list."""

    queryset = (
        Initiative.objects.order_by("-start_date", "-id")
        .select_related("parent", "coordinator", "campus")
        .prefetch_related("groups", "knowledge_areas", "team_members__person")
    )
    serializer_class: type[serializers.ModelSerializer[Any]] = InitiativeSerializer
    pagination_class = Pages
    filter_backends = ()


urlpatterns = [path("api/v1/initiatives/", InitiativeList.as_view())]
