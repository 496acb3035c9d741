"""Deleting a knowledge area at the moment in which a group takes it: one of the two is refused, and none is undone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection

from onestep.errors import ConflictError
from onestep.groups import services
from onestep.groups.models import Group, KnowledgeArea
from tests.factories import GroupFactory, KnowledgeAreaFactory

ROUNDS = 20


@pytest.mark.django_db(transaction=True)
def test_delete_knowledge_area_while_a_group_takes_it() -> None:
    for _ in range(ROUNDS):
        area, group = KnowledgeAreaFactory(), GroupFactory()
        start = Barrier(2, timeout=10)

        def delete(pk: int = area.pk, start: Barrier = start) -> str:
            try:
                start.wait()
                services.delete_knowledge_area(KnowledgeArea.objects.get(pk=pk))
            except ConflictError:
                return "kept"
            finally:
                connection.close()
            return "deleted"

        def take(area: KnowledgeArea = area, group: Group = group, start: Barrier = start) -> str:
            try:
                start.wait()
                services.update_group(group, knowledge_areas=[area])
            except IntegrityError:
                return "refused"
            finally:
                connection.close()
            return "taken"

        with ThreadPoolExecutor(2) as pool:
            results = tuple(call.result() for call in (pool.submit(delete), pool.submit(take)))
        assert results in {("deleted", "refused"), ("kept", "taken")}
        assert group.knowledge_areas.exists() is (results == ("kept", "taken"))
