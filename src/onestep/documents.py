"""Documents: what the API reads. Each resource has a PostgreSQL view with one JSON text per row.

A document model is unmanaged and one-to-one with its resource's table. Its SQL stands once, in `view_sql`, and is put
into the database by `install_views` at the end of every `migrate`, not by a migration: a view holds no data, follows
the code, and is replaced in place (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, ClassVar

from django.apps import apps
from django.db import ProgrammingError, connections, models, transaction
from django.db.models.expressions import RawSQL
from psycopg2.errorcodes import INVALID_TABLE_DEFINITION


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


@dataclass(frozen=True)
class InstalledView:
    """A document's view as it is in the database: enough to make it again, with who may use it."""

    name: str
    definition: str
    comment: str
    grants: list[str]


# The comment on a document's view, before the hash of its SQL: an unchanged view is not touched, and one whose model is
# gone is still known as ours.
COMMENT = "onestep document "

_INSTALLED = """
SELECT c.relname, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class'), ARRAY(
    SELECT format('GRANT %%s ON %%I TO %%s%%s', a.privilege_type, c.relname,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM aclexplode(c.relacl) a)
FROM pg_class c
WHERE c.relkind = 'v' AND pg_table_is_visible(c.oid) AND obj_description(c.oid, 'pg_class') LIKE %s
ORDER BY c.relname
"""


def installed_views(using: str = "default") -> dict[str, InstalledView]:
    """Return the documents' views that are in the database, by name."""
    with connections[using].cursor() as cursor:
        cursor.execute(_INSTALLED, [f"{COMMENT}%"])
        return {row[0]: InstalledView(*row) for row in cursor.fetchall()}


def install_views(using: str = "default", *, previous: Mapping[str, InstalledView] | None = None) -> list[str]:
    """Make the database's views those of the code, all or none; return the names of those that changed.

    A view whose columns changed is made anew, and one that no model has any more is dropped. Privileges stay; those of
    a view that a migration has dropped are taken from `previous`. Raises DatabaseError where something that is not
    OneStep's depends on a view that must go, or has its name.
    """
    changed = []
    with transaction.atomic(using=using):
        present = installed_views(using)
        for model in document_models():
            name = model._meta.db_table
            comment = COMMENT + blake2b(model.view_sql.encode(), digest_size=16).hexdigest()
            view = present.pop(name, None)
            if view and view.comment == comment:
                continue
            known = view or (previous or {}).get(name)
            _make_view(InstalledView(name, model.view_sql, comment, known.grants if known else []), using)
            changed.append(name)
        drop_views(present, using)
    return changed + list(present)


def restore_views(views: Mapping[str, InstalledView], using: str = "default") -> list[str]:
    """Make the database's views those that `installed_views` once returned; return the names of those that changed."""
    with transaction.atomic(using=using):
        present = installed_views(using)
        changed = [view for name, view in views.items() if present.pop(name, None) != view]
        for view in changed:
            _make_view(view, using)
        drop_views(present, using)
    return [view.name for view in changed] + list(present)


def drop_views(names: Iterable[str], using: str = "default") -> None:
    """Drop the views of these names. Raises DatabaseError where something else depends on one."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP VIEW {connection.ops.quote_name(name)}")


def _make_view(view: InstalledView, using: str) -> None:
    connection = connections[using]
    name = connection.ops.quote_name(view.name)
    with connection.cursor() as cursor:
        try:
            with transaction.atomic(using=using):
                cursor.execute(f"CREATE OR REPLACE VIEW {name} AS {view.definition}")
        except ProgrammingError as error:
            if getattr(error.__cause__, "pgcode", "") != INVALID_TABLE_DEFINITION:
                raise
            # PostgreSQL replaces a view in place only where its columns keep their names and types.
            cursor.execute(f"DROP VIEW {name}")
            cursor.execute(f"CREATE VIEW {name} AS {view.definition}")
        cursor.execute(f"COMMENT ON VIEW {name} IS %s", [view.comment])
        for grant in view.grants:
            cursor.execute(grant)
