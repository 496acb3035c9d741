"""Documents: what the API reads. Each resource has a PostgreSQL view with one JSON text per row.

A document model is unmanaged and one-to-one with its resource's table. Its SQL stands once, in `view_sql`, and is put into
the database by `install_views` at the end of every `migrate`, not by a migration: a view holds no data, follows the code,
and is replaced in place (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any, ClassVar

from django.apps import apps
from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL


class Document(models.Model):
    """The abstract model of a view with the columns `id` and `body`: a row of the resource as JSON text.

    A concrete one has a primary key that is a one-to-one relation to its resource, with the column `id`.
    """

    view_sql: ClassVar[str]
    body = models.TextField()

    class Meta:
        abstract = True
        managed = False
        default_permissions = ()

    def __str__(self) -> str:
        """Return the JSON."""
        return self.body


@cache
def document_model(resource: type[models.Model]) -> type[Document]:
    """Return the document model of a resource. Raises LookupError where it has none."""
    for model in document_models():
        if model._meta.pk.related_model is resource:
            return model
    raise LookupError(f"{resource.__name__} has no document")


def document_models() -> Iterator[type[Document]]:
    """Return the document models of all installed apps, in the order of the apps."""
    return (model for model in apps.get_models() if issubclass(model, Document))


def document_of(resource: type[models.Model]) -> RawSQL:
    """Return an expression for the document of each row in a query on the resource.

    A scalar subquery, because PostgreSQL computes it after LIMIT: a joined view would be computed for every row that a
    sort reads.
    """
    view = document_model(resource)._meta.db_table
    table = resource._meta.db_table
    return RawSQL(  # noqa: S611  (both names are our own models')
        f'(SELECT "{view}"."body" FROM "{view}" WHERE "{view}"."id" = "{table}"."id")',  # noqa: S608
        (),
        output_field=models.TextField(),
    )


def read_document(resource: type[models.Model], pk: Any) -> str | None:
    """Return the JSON text of one row of the resource, or None where there is no such row."""
    return document_model(resource)._default_manager.filter(pk=pk).values_list("body", flat=True).first()


def install_views(using: str = "default") -> list[str]:
    """Make the database's views those of the code, all or none; return the names of those that changed.

    A view's comment carries the hash of its SQL, so that an unchanged one is not touched.
    """
    changed = []
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for model in document_models():
            name = connection.ops.quote_name(model._meta.db_table)
            version = blake2b(model.view_sql.encode(), digest_size=16).hexdigest()
            cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [name])
            if cursor.fetchone()[0] == version:
                continue
            cursor.execute(f"CREATE OR REPLACE VIEW {name} AS {model.view_sql}")
            cursor.execute(f"COMMENT ON VIEW {name} IS %s", [version])
            changed.append(model._meta.db_table)
    return changed
