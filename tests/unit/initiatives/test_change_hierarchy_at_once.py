"""Changes of the hierarchy that happen at the same time, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from rest_framework.test import APIClient

from onestep.errors import ConflictError
from onestep.initiatives import services
from onestep.initiatives.models import Initiative
from tests.factories import InitiativeFactory

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 50
CYCLE = (409, "urn:onestep:problem:hierarchy_cycle")
Start = Callable[[Callable[[], Any]], Future[Any]]


class Crowd:
    """Threads that do one work each at the same moment. Each keeps its connection from round to round."""

    def __init__(self, size: int) -> None:
        self.pool = ThreadPoolExecutor(size)
        self.barrier = Barrier(size)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *error: object) -> None:
        self.at_once(*[lambda: connection.close()] * self.barrier.parties)  # noqa: PLW0108  (each thread has its own)
        self.pool.shutdown()

    def at_once(self, *works: Callable[[], Any]) -> list[Any]:
        """Do all of the works; return what each returned."""
        assert len(works) == self.barrier.parties

        def run(work: Callable[[], Any]) -> Any:
            self.barrier.wait(timeout=10)
            return work()

        return [future.result(timeout=20) for future in [self.pool.submit(run, work) for work in works]]


@pytest.fixture
def start(transactional_db: None) -> Iterator[Start]:
    """Starts a work on a connection of its own, while the test goes on."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(run, work)


def move(editor: APIClient, initiative: Initiative, parent: Initiative) -> Callable[[], tuple[int, str]]:
    """A request that gives an initiative another parent; its status and the type of its problem."""

    def run() -> tuple[int, str]:
        response = editor.patch(f"/api/v1/initiatives/{initiative.pk}/", {"parent": parent.pk}, format="json")
        return response.status_code, response.json().get("type", "")

    return run


def assert_no_cycle() -> None:
    """Every initiative's parents come to an end."""
    parents = dict(Initiative.objects.values_list("pk", "parent"))
    for start in parents:
        seen = set()
        at: int | None = start
        while at is not None:
            assert at not in seen, parents
            seen.add(at)
            at = parents[at]


@pytest.mark.parametrize(("size", "rounds"), [(2, ROUNDS), (3, ROUNDS // 2)])
def test_moves_that_would_close_a_cycle(editor: APIClient, size: int, rounds: int) -> None:
    """Of n moves, each fine alone, that make a cycle together, n - 1 are done and one is refused in words."""
    rows = InitiativeFactory.create_batch(size)
    moves = [move(editor, row, rows[(number + 1) % size]) for number, row in enumerate(rows)]
    with Crowd(size) as crowd:
        for _ in range(rounds):
            assert sorted(crowd.at_once(*moves)) == [(200, "")] * (size - 1) + [CYCLE]
            assert_no_cycle()
            Initiative.objects.update(parent=None)


def test_moves_of_deep_trees_that_would_close_a_cycle(editor: APIClient) -> None:
    """The cycle is found through rows that neither of the two changes."""
    first, second = InitiativeFactory.create_batch(2)
    below_first = InitiativeFactory(parent=InitiativeFactory(parent=first))
    below_second = InitiativeFactory(parent=InitiativeFactory(parent=second))
    moves = [move(editor, first, below_second), move(editor, second, below_first)]
    with Crowd(2) as crowd:
        for _ in range(ROUNDS // 2):
            assert sorted(crowd.at_once(*moves)) == [(200, ""), CYCLE]
            assert_no_cycle()
            Initiative.objects.filter(pk__in=[first.pk, second.pk]).update(parent=None)


def test_moves_that_fit_are_all_done(editor: APIClient) -> None:
    """Moves do not stand in each other's way, nor in that of other changes to the same rows."""
    rows = InitiativeFactory.create_batch(3)
    root = InitiativeFactory()

    def rename() -> tuple[int, str]:
        response = editor.patch(f"/api/v1/initiatives/{root.pk}/", {"name": "Root"}, format="json")
        return response.status_code, response.json().get("type", "")

    with Crowd(4) as crowd:
        for _ in range(10):
            assert crowd.at_once(*(move(editor, row, root) for row in rows), rename) == [(200, "")] * 4
            Initiative.objects.update(parent=None)


def test_second_move_waits_for_the_first_and_sees_it(start: Start) -> None:
    """The refusal does not depend on luck: the second waits until the first has committed."""
    one, two = InitiativeFactory.create_batch(2)
    with transaction.atomic():
        services.update_initiative(one, parent=two)
        second = start(lambda: services.update_initiative(two, parent=one))
        wait_until_somebody_waits_for("advisory")
    with pytest.raises(ConflictError, match="is a part of"):
        second.result(timeout=10)


def test_database_refuses_a_cycle_whoever_writes(start: Start) -> None:
    """Without the services too: two connections, each with a statement of its own."""
    one, two = InitiativeFactory.create_batch(2)
    with transaction.atomic():
        Initiative.objects.filter(pk=one.pk).update(parent=two)
        second = start(lambda: Initiative.objects.filter(pk=two.pk).update(parent=one))
        wait_until_somebody_waits_for("advisory")
    with pytest.raises(IntegrityError, match="would be its own ancestor"):
        second.result(timeout=10)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_database_refuses_a_move_that_could_not_see_others(level: str) -> None:
    """In these levels a transaction sees the hierarchy as it was when it began, so a cycle could go unseen."""
    one, two = InitiativeFactory.create_batch(2)
    with pytest.raises(InternalError, match="READ COMMITTED only"), transaction.atomic():  # noqa: PT012
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        Initiative.objects.filter(pk=one.pk).update(parent=two)


def test_child_created_while_its_tree_is_deleted(editor: APIClient) -> None:
    """It goes with the tree, or it is refused in words: never a child without a parent, never half a tree."""
    with Crowd(2) as crowd:
        for _ in range(ROUNDS):
            root = InitiativeFactory()
            middle = InitiativeFactory(parent=root)
            deleted, (created, _) = crowd.at_once(delete_subtree(editor, root), create_child(editor, middle))
            assert deleted == 204
            assert created in {201, 400, 409}
            assert not Initiative.objects.exists()


def test_child_created_while_its_tree_is_about_to_be_deleted(editor: APIClient, start: Start) -> None:
    """Who comes second waits, and is told."""
    root = InitiativeFactory()
    middle = InitiativeFactory(parent=root)
    with transaction.atomic():
        services.delete_initiative(root, with_descendants=True)
        child = start(create_child(editor, middle))
        wait_until_somebody_waits_for("transactionid")
    status, body = child.result(timeout=10)
    assert status == 409
    assert body["type"] == "urn:onestep:problem:conflict"
    assert not Initiative.objects.exists()


def test_tree_deleted_while_a_child_is_about_to_be_created(editor: APIClient, start: Start) -> None:
    """The deletion does not wait for what is not there yet; the child finds its parent gone."""
    root = InitiativeFactory()
    values = {"name": "x", "kind": "event", "start_date": date(2024, 1, 1), "coordinator": root.coordinator}
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        services.create_initiative(parent=root, **values)
        assert start(delete_subtree(editor, root)).result(timeout=10) == 204
    assert not Initiative.objects.exists()


def test_tree_deleted_while_others_move_in_it(editor: APIClient) -> None:
    """Deletions and moves take the same lock first, so they never wait for each other in a circle."""
    with Crowd(3) as crowd:
        for _ in range(ROUNDS // 2):
            root, other = InitiativeFactory.create_batch(2)
            child = InitiativeFactory(parent=root)
            deleted, *moved = crowd.at_once(
                delete_subtree(editor, root), move(editor, child, other), move(editor, other, child)
            )
            assert deleted == 204
            assert {status for status, _ in moved} <= {200, 400, 404, 409}
            assert not Initiative.objects.filter(pk=root.pk).exists()
            assert_no_cycle()
            Initiative.objects.update(parent=None)
            Initiative.objects.all().delete()


def delete_subtree(editor: APIClient, root: Initiative) -> Callable[[], int]:
    """A request that deletes a tree; its status."""
    return lambda: editor.delete(f"/api/v1/initiatives/{root.pk}/?descendants=delete").status_code


def create_child(editor: APIClient, parent: Initiative) -> Callable[[], tuple[int, dict[str, Any]]]:
    """A request that creates a child; its status and body."""
    values = {
        "name": "child",
        "kind": "event",
        "start_date": "2024-01-01",
        "coordinator": parent.coordinator_id,
        "parent": parent.pk,
    }

    def run() -> tuple[int, dict[str, Any]]:
        response = editor.post("/api/v1/initiatives/", values, format="json")
        return response.status_code, response.json()

    return run


def wait_until_somebody_waits_for(lock: str) -> None:
    """Return when another connection waits for this kind of lock. Raises InternalError when none does in 10 seconds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('test.lock', %s, true)", [lock])
        cursor.execute(WAIT)


WAIT = """
DO $$ BEGIN
    FOR n IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND wait_event_type = 'Lock' AND wait_event = current_setting('test.lock')) THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody waits for a lock of this kind';
END $$
"""
