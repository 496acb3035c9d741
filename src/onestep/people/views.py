"""`/api/v1/people/`."""

from __future__ import annotations

from onestep.http.filters import ListFilterSet
from onestep.http.viewsets import CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from onestep.people import services
from onestep.people.documents import PersonSerializer
from onestep.people.models import Person
from onestep.people.serializers import PersonInputSerializer


class PersonFilterSet(ListFilterSet):
    """Which people."""

    class Meta:
        model = Person
        fields = {"email": ["iexact"]}


class PersonViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """People: who coordinates, staffs and leads. Not necessarily those who may sign in."""

    queryset = Person.objects.all()
    serializer_class = PersonInputSerializer
    document_serializer = PersonSerializer
    filterset_class = PersonFilterSet
    orderings = {"name": "sort_name", "created_at": "created_at"}
    default_ordering = "name"
    create_service = services.create_person
    update_service = services.update_person
    delete_service = services.delete_person
