"""`/api/v1/initiatives/`, with the team, the tree and the ancestors of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.db import models, transaction
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from onestep.dates import END_KEY
from onestep.errors import InvalidError
from onestep.http.openapi import InvalidProblemSerializer
from onestep.http.parameters import integer_parameter, refuse_unknown_parameters
from onestep.http.permissions import ChangePermissions
from onestep.http.problems import CONTENT_TYPE, lost_row
from onestep.http.viewsets import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from onestep.initiatives import services
from onestep.initiatives.documents import AncestorsSerializer, InitiativeSerializer, TreeSerializer
from onestep.initiatives.filters import InitiativeFilterSet
from onestep.initiatives.hierarchy import TREE_NODES, read_ancestors, read_tree
from onestep.initiatives.models import Initiative
from onestep.initiatives.serializers import InitiativeInputSerializer, TeamRoleInputSerializer
from onestep.people.models import Person

TREE_DEPTH = 3
MAX_TREE_DEPTH = 10
UNKNOWN_PARAMETER = OpenApiResponse(InvalidProblemSerializer, "There is no such parameter; `errors` names it.")


@extend_schema_view(
    destroy=extend_schema(
        parameters=[
            OpenApiParameter(
                "descendants",
                {"type": "string", "enum": ["delete"]},
                description="`delete` deletes everything below it too, all or nothing. Without it, an initiative that "
                "has something below it is not deleted: 409 `has_descendants`, which says how many.",
            )
        ]
    )
)
class InitiativeViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Initiatives: programs, and the projects and events that they are made of.

    An initiative is a part of its `parent`. A cycle is refused: 409 `hierarchy_cycle`, with a message for the field.
    The list begins with what started last.
    """

    queryset = Initiative.objects.all()
    serializer_class = InitiativeInputSerializer
    document_serializer = InitiativeSerializer
    filterset_class = InitiativeFilterSet
    orderings = {
        "name": "sort_name",
        "start_date": "start_date",
        "end_date": END_KEY,
        "created_at": "created_at",
        "updated_at": "updated_at",
    }
    default_ordering = "-start_date"
    create_service = services.create_initiative
    update_service = services.update_initiative

    def lock(self, request: Request, pk: Any) -> models.Model:
        """Lock a row for a write, and the hierarchy before it where the request may change that."""
        if self._deletes_descendants or (isinstance(request.data, Mapping) and request.data.get("parent") is not None):
            services.lock_hierarchy()
        return super().lock(request, pk)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a row; the parameter is checked before anything is locked."""
        refuse_unknown_parameters(request, "descendants")
        if request.query_params.get("descendants", "delete") != "delete":
            raise InvalidError({"descendants": ["Give delete, or leave it out."]})
        return super().destroy(request, pk)

    def delete_row(self, request: Request, row: models.Model) -> None:
        """Delete the initiative, and on demand what is below it."""
        services.delete_initiative(cast("Initiative", row), with_descendants=self._deletes_descendants)

    @property
    def _deletes_descendants(self) -> bool:
        return self.action == "destroy" and "descendants" in self.request.query_params

    @extend_schema(request=TeamRoleInputSerializer, summary="Put a person on the team of an initiative")
    @action(
        methods=["put"],
        detail=True,
        url_path=r"team/(?P<person>[0-9]{1,18})",
        permission_classes=[ChangePermissions],
        serializer_class=TeamRoleInputSerializer,
    )
    def team_member(self, request: Request, pk: str, person: str) -> Response:
        """Add a person to the team or change their role; answers the initiative. Who has the role already keeps it."""
        with transaction.atomic():
            initiative = cast("Initiative", self.lock(request, pk))
            services.set_team_member(initiative, self._person(person), role=self.validated(request)["role"])
            return self.answer(pk)

    @extend_schema(request=None, responses={204: None}, summary="Take a person off the team of an initiative")
    @team_member.mapping.delete
    def remove_team_member(self, request: Request, pk: str, person: str) -> Response:
        """Remove a person from the team. Who is not on it stays off."""
        with transaction.atomic():
            initiative = cast("Initiative", self.lock(request, pk))
            services.remove_team_member(initiative, self._person(person))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Read what is below an initiative",
        parameters=[
            OpenApiParameter(
                "depth",
                {"type": "integer", "minimum": 1, "maximum": MAX_TREE_DEPTH, "default": TREE_DEPTH},
                description="How many levels below it.",
            )
        ],
        responses=TreeSerializer,
        description="The initiative with its children, and theirs, as deep as asked for and up to "
        f"{TREE_NODES} nodes in all. `has_more` marks a node whose children are left out; it has a tree of its own.",
    )
    @action(detail=True)
    def tree(self, request: Request, pk: str) -> Response:
        """Answer the subtree."""
        refuse_unknown_parameters(request, "depth")
        depth = integer_parameter(request, "depth", default=TREE_DEPTH, most=MAX_TREE_DEPTH)
        found = read_tree(int(pk), depth=depth)
        if found is None:
            raise lost_row(Initiative)
        return Response(found)

    @extend_schema(
        summary="Read what an initiative is a part of",
        responses={200: AncestorsSerializer, (400, CONTENT_TYPE): UNKNOWN_PARAMETER},
        description="The way from the root to the parent, such as breadcrumbs show it.",
    )
    @action(detail=True)
    def ancestors(self, request: Request, pk: str) -> Response:
        """Answer the ancestors."""
        refuse_unknown_parameters(request)
        found = read_ancestors(int(pk))
        if found is None:
            raise lost_row(Initiative)
        return Response({"results": found})

    @staticmethod
    def _person(pk: str) -> Person:
        person = Person.objects.filter(pk=pk).first()
        if person is None:
            raise lost_row(Person)
        return person
