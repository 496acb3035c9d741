"""The verbs of a resource. A viewset lists those it supports; a verb it does not list is a 405.

Reads take documents from the database. Writes validate by the view's serializer, call its service, and answer with the
document as it now is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson
from django.db import models, transaction
from django.db.models.expressions import Combinable
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from onestep.documents import read_document
from onestep.http.etags import check_if_match, etag, matches_if_none_match
from onestep.http.filters import FilterBackend, ListFilterSet
from onestep.http.pagination import paginate
from onestep.http.problems import lost_row


class ResourceViewSet(GenericViewSet[Any]):
    """A resource: rows by `queryset`, what is written by `serializer_class`, what is read by `document_serializer`."""

    document_serializer: ClassVar[type[serializers.Serializer[Any]]]
    filter_backends = (FilterBackend,)
    filterset_class: ClassVar[type[ListFilterSet]]
    orderings: ClassVar[Mapping[str, str | Combinable]]
    default_ordering: ClassVar[str]
    lookup_value_regex = r"[0-9]{1,18}"

    @property
    def resource(self) -> type[models.Model]:
        """The model of the rows."""
        return self.get_queryset().model

    def read(self, pk: Any) -> str:
        """Return the row's document. Raises NotFound where there is none."""
        document = read_document(self.resource, pk)
        if document is None:
            raise lost_row(self.resource)
        return document

    def lock(self, request: Request, pk: Any) -> models.Model:
        """Lock a row for a write and return it, after the client's If-Match held against what is there now.

        Raises NotFound or StaleError. To be called in a transaction.
        """
        row = self.get_queryset().select_for_update(of=("self",)).filter(pk=pk).first()
        if row is None:
            raise lost_row(self.resource)
        if "If-Match" in request.headers:
            check_if_match(request, self.read(pk))
        return row  # type: ignore[no-any-return]

    def answer(self, pk: Any, status_code: int = status.HTTP_200_OK, **headers: str) -> Response:
        """Return the response that carries a row's document and its ETag."""
        document = self.read(pk)
        return Response(orjson.Fragment(document), status=status_code, headers={"ETag": etag(document), **headers})

    def validated(
        self, request: Request, instance: models.Model | None = None, *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the validated values of the body.

        Raises ValidationError with its field errors.
        """
        serializer = self.get_serializer(instance, data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]


class ListMixin(ResourceViewSet):
    """`GET` on the collection."""

    def list(self, request: Request, **kwargs: Any) -> Response:
        """Answer one page."""
        rows = self.filter_queryset(self.get_queryset())
        return Response(paginate(rows, request, orderings=self.orderings, default=self.default_ordering))


class RetrieveMixin(ResourceViewSet):
    """`GET` on a row, and 304 for a client that has its present form."""

    def retrieve(self, request: Request, pk: str) -> Response:
        """Answer the row's document."""
        response = self.answer(pk)
        if matches_if_none_match(request, response["ETag"]):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": response["ETag"]})
        return response


class CreateMixin(ResourceViewSet):
    """`POST` on the collection, through the service `create`."""

    create_service: ClassVar[Callable[..., models.Model]]

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Create a row and answer its document and address."""
        row = type(self).create_service(**self.validated(request), **kwargs)
        address = request.build_absolute_uri(f"{request.path}{row.pk}/")
        return self.answer(row.pk, status.HTTP_201_CREATED, Location=address)


class UpdateMixin(ResourceViewSet):
    """`PUT` and `PATCH` on a row, through the service `update`."""

    update_service: ClassVar[Callable[..., models.Model]]

    def update(self, request: Request, pk: str, *, partial: bool = False) -> Response:
        """Change a row and answer its document as it now is."""
        with transaction.atomic():
            row = self.lock(request, pk)
            type(self).update_service(row, **self.validated(request, row, partial=partial))
            return self.answer(pk)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the given values of a row."""
        return self.update(request, pk, partial=True)


class DestroyMixin(ResourceViewSet):
    """`DELETE` on a row, through the service `delete`."""

    delete_service: ClassVar[Callable[..., None]]

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a row."""
        with transaction.atomic():
            self.delete_row(request, self.lock(request, pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def delete_row(self, request: Request, row: models.Model) -> None:
        """Call the service; a view with parameters of its own overrides this."""
        type(self).delete_service(row)
