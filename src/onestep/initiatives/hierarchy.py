"""What is above and below an initiative: recursive queries that start at it, so that they cost what they find.

docs/adr/0004 says why they are written with django-cte.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, ExpressionWrapper, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django_cte import CTE, with_cte  # type: ignore[import-untyped]

from onestep.initiatives.models import Initiative, InitiativeQuerySet

# The most nodes that one tree shows.
TREE_NODES = 1000


def ids_below(*pks: int) -> QuerySet[Any]:
    """Return a query of the ids of all initiatives below these, each once, less these themselves."""

    def descend(below: CTE) -> QuerySet[Any]:
        start = _rows().filter(parent__in=pks).values("id")
        return start.union(below.join(_rows(), parent=below.col.id).values("id"))

    below = CTE.recursive(descend, name="below")
    ids: QuerySet[Any] = below.queryset().order_by().exclude(id__in=pks).values_list("id", flat=True)
    return with_cte(below, select=ids)  # type: ignore[no-any-return]


def read_ancestors(pk: int) -> list[dict[str, Any]] | None:
    """Return what the initiative is a part of, the root first, in one query; None where it is not there itself."""

    def climb(path: CTE) -> QuerySet[Any]:
        start = _rows().filter(pk=pk).values("id", "parent_id", distance=Value(0))
        step = path.join(_rows(), id=path.col.parent_id)
        return start.union(step.values("id", "parent_id", distance=path.col.distance + 1), all=True)

    path = CTE.recursive(climb, name="path")
    rows = with_cte(path, select=path.join(_rows(), id=path.col.id).annotate(distance=path.col.distance))
    found = list(rows.order_by("-distance").values("id", "name", "kind"))
    return found[:-1] if found else None


def read_tree(pk: int, *, depth: int, limit: int = TREE_NODES) -> dict[str, Any] | None:
    """Return the initiative and what is below it as nested nodes, in one query; None where it is not there.

    `depth` is the number of levels below it. Of more than `limit` nodes, those nearest to the root are returned.
    """
    subtree = _subtree(pk, depth=depth)
    # PostgreSQL computes a recursive query level by level, and only as far as rows are asked of it: LIMIT bounds its
    # work too, and what it leaves out is of the lowest level.
    shown = CTE(subtree.queryset().order_by().values("id", "level")[: limit + 1], name="shown")
    rows = with_cte(subtree, shown, select=shown.join(_rows(), id=shown.col.id).annotate(level=shown.col.level))
    children = _rows().filter(parent=OuterRef("pk")).values("parent").annotate(count=Count("pk")).values("count")
    found = list(
        rows.annotate_status()
        .annotate(children_count=Coalesce(Subquery(children), Value(0)))
        .order_by("level", "sort_name", "id")
        .values("id", "parent_id", "name", "kind", "status", "start_date", "end_date", "children_count")
    )
    if not found:
        return None
    return {"depth": depth, "truncated": len(found) > limit, "root": _nested(found[:limit])}


def _nested(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the first row with the others as its children, and theirs. Each row's parent stands before it."""
    nodes: dict[int, dict[str, Any]] = {}
    for row in rows:
        parent = nodes.get(row.pop("parent_id"))
        nodes[row["id"]] = row
        row["children"] = []
        if parent:
            parent["children"].append(row)
    for row in rows:
        row["has_more"] = row["children_count"] > len(row["children"])
    return rows[0]


def _subtree(pk: int, *, depth: int) -> CTE:
    """Return the table expression of the initiative and what is below it: `id`, and `level`, which is 0 for itself."""

    def descend(subtree: CTE) -> QuerySet[Any]:
        start = _rows().filter(pk=pk).values("id", level=Value(0))
        level = ExpressionWrapper(subtree.col.level + 1, output_field=IntegerField())
        step = subtree.join(_rows(), parent=subtree.col.id).annotate(level=level).filter(level__lte=depth)
        return start.union(step.values("id", "level"), all=True)

    return CTE.recursive(descend, name="subtree")


def _rows() -> InitiativeQuerySet:
    return Initiative.objects.order_by()
