"""The connection budget: computed, printed, and refused at start where it does not fit."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from onestep.operations.budget import Budget, read_budget
from tests.unit.operations.commands import address, run_onestep
from tests.unit.operations.scratch import Scratch

# The mark has pytest-django make the database.
pytestmark = pytest.mark.django_db

POOLED = Budget(
    replicas=3,
    surge=0,
    workers=2,
    threads=4,
    metrics=0,
    pool_size=20,
    pool_max_clients=24,
    backup=3,
    reserve=5,
    max_connections=33,
    kept_for_superusers=3,
)
DIRECT = replace(POOLED, pool_size=0, max_connections=37)
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "Zk3v9QwX1tYbR7mNc5LpHs8DfGj2VaUe4KiOxTyWqBnMzCrSdPl6",
    "ALLOWED_HOSTS": "a.test",
}


def server_limits() -> tuple[int, int]:
    """Return the tests' server's max_connections, and how many of them are for superusers."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        most = int(cursor.fetchone()[0])
        cursor.execute("SHOW superuser_reserved_connections")
        return most, int(cursor.fetchone()[0])


def budget(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `onestep budget` on the tests' server."""
    return run_onestep("budget", *arguments, variables={"DEBUG": "1", **address(), **variables})


# --- The arithmetic ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fitting", [POOLED, DIRECT])
def test_what_just_fits_is_no_problem(fitting: Budget) -> None:
    assert fitting.problems() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        # One more of whatever is counted is one too many.
        (replace(POOLED, replicas=4), ["E120"]),
        (replace(POOLED, workers=3), ["E120"]),
        (replace(POOLED, threads=5), ["E120"]),
        (replace(POOLED, surge=1), ["E120"]),
        (replace(POOLED, metrics=1), ["E120"]),
        (replace(POOLED, pool_max_clients=23), ["E120"]),
        (replace(POOLED, pool_size=21), ["E121"]),
        (replace(POOLED, backup=4), ["E121"]),
        (replace(POOLED, reserve=6), ["E121"]),
        (replace(POOLED, max_connections=32), ["E121"]),
        (replace(POOLED, kept_for_superusers=4), ["E121"]),
        (replace(POOLED, replicas=4, reserve=6), ["E120", "E121"]),
        # Without a pooler each thread is a connection of the server, and the pool's limits are nobody's.
        (replace(DIRECT, pool_max_clients=1), []),
        (replace(DIRECT, replicas=4), ["E122"]),
        (replace(DIRECT, threads=5), ["E122"]),
        (replace(DIRECT, surge=1), ["E122"]),
        (replace(DIRECT, metrics=1), ["E122"]),
        (replace(DIRECT, reserve=6), ["E122"]),
        (replace(DIRECT, max_connections=36), ["E122"]),
        # Nothing is known of a server that was not asked.
        (replace(DIRECT, max_connections=None, replicas=1000), []),
        (replace(POOLED, max_connections=None, pool_size=1000), []),
        (replace(POOLED, max_connections=None, replicas=1000), ["E120"]),
    ],
)
def test_what_does_not_fit_has_its_id(changed: Budget, expected: list[str]) -> None:
    assert [problem.id for problem in changed.problems()] == expected


@pytest.mark.parametrize(
    "tight",
    [
        replace(POOLED, replicas=9, workers=3),
        replace(POOLED, replicas=5, surge=5),
        replace(POOLED, pool_max_clients=60, replicas=4, surge=4, metrics=2),
        replace(POOLED, pool_size=60),
        replace(DIRECT, replicas=9, workers=3),
        replace(DIRECT, replicas=4, surge=1, threads=9),
    ],
)
def test_each_advice_makes_it_fit_and_nothing_less_does(tight: Budget) -> None:
    fields = {
        "POOL_MAX_CLIENTS": "pool_max_clients",
        "POOL_SIZE": "pool_size",
        "WEB_REPLICAS": "replicas",
        "WEB_THREADS": "threads",
        "WEB_WORKERS": "workers",
        "compose.prod.yml)": "max_connections",
    }
    [problem] = tight.problems()
    found = re.findall(r"(\S+) to (\d+) or (less|more)", problem.todo)
    assert len(found) >= 2, problem.todo
    for name, number, direction in found:
        for step, expected in ((0, []), (1, [problem.id])):
            value = int(number) + (step if direction == "less" else -step)
            if name == "together":  # WEB_REPLICAS and WEB_SURGE
                changed = replace(tight, replicas=value, surge=0)
            else:
                changed = replace(tight, **{fields[name]: value})
            assert [one.id for one in changed.problems()] == expected, (name, value)


def test_problem_has_the_arithmetic_and_what_to_change() -> None:
    [problem] = replace(POOLED, surge=3).problems()
    assert str(problem).splitlines() == [
        "onestep.E120 The replicas have more threads than the pool takes clients.",
        "    The pool's clients: does not fit: 24 too many",
        "      replicas     3 x 2 workers x 4 threads                                   24",
        "      rollout      3 x 2 workers x 4 threads                                   24",
        "      needed                                                                   48",
        "      available    POOL_MAX_CLIENTS                                            24",
        "    Set POOL_MAX_CLIENTS to 48 or more, or WEB_REPLICAS and WEB_SURGE together to 3 or less, or WEB_THREADS "
        "to 2 or less, or WEB_WORKERS to 1 or less.",
    ]


def test_limits_are_those_of_the_server() -> None:
    found = read_budget(connection)
    assert (found.max_connections, found.kept_for_superusers) == server_limits()


# --- The command ------------------------------------------------------------------------------------------------------
def test_command_prints_the_arithmetic() -> None:
    most, kept = server_limits()
    done = budget(WEB_REPLICAS="3", WEB_WORKERS="2", WEB_THREADS="4")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"PostgreSQL's connections: fits, with {most - kept - 34} to spare",
        "  replicas     3 x 2 workers x 4 threads                                   24",
        "  migrations   the one that migrates, and the lock's                        2",
        "  backup       BACKUP_CONNECTIONS                                           3",
        "  reserve      DB_RESERVE_CONNECTIONS                                       5",
        "  needed                                                                   34",
        f"  available    {f'max_connections {most}, less {kept} for superusers':<52} {most - kept:>9}",
    ]


def test_command_says_what_it_was_not_told() -> None:
    done = budget()
    assert "WEB_REPLICAS is not set: one replica was counted." in done.stdout
    assert "WEB_WORKERS is not set: it was counted by the CPU limit of this container." in done.stdout


def test_command_fails_where_it_does_not_fit() -> None:
    done = budget(WEB_REPLICAS="100", WEB_WORKERS="2", WEB_THREADS="4")
    assert done.returncode == 1
    assert "onestep.E122 " in done.stderr
    assert "  replicas     100 x 2 workers x 4 threads" in done.stderr
    assert re.search(r"Set PostgreSQL's max_connections .* to \d+ or more, or WEB_REPLICAS to \d+ or less", done.stderr)
    assert "Traceback" not in done.stderr


def test_command_prints_json() -> None:
    most, kept = server_limits()
    pool = {"POOL_SIZE": "200", "POOL_MAX_CLIENTS": "24", "WEB_REPLICAS": "3", "WEB_WORKERS": "2", "WEB_THREADS": "4"}
    done = budget("--json", **pool)
    assert done.returncode == 1
    printed = json.loads(done.stdout)
    assert printed["numbers"] == {
        "replicas": 3,
        "surge": 0,
        "workers": 2,
        "threads": 4,
        "metrics": 0,
        "pool_size": 200,
        "pool_max_clients": 24,
        "backup": 3,
        "reserve": 5,
        "max_connections": most,
        "kept_for_superusers": kept,
    }
    clients, server = printed["sums"]
    assert (clients["needed"], clients["limit"], clients["fits"]) == (24, 24, True)
    assert (server["needed"], server["limit"], server["fits"]) == (210, most - kept, False)
    assert [problem["id"] for problem in printed["problems"]] == ["onestep.E121"]
    assert printed["fits"] is False


def test_database_that_cannot_be_asked_is_no_budget_error() -> None:
    """What is known is printed, and the exit status says that the rest may be known later (EX_TEMPFAIL)."""
    away = {"DB_PORT": "1", "DB_TRANSACTION_POOLING": "1", "WEB_REPLICAS": "2", "WEB_WORKERS": "2"}
    done = budget(**away)
    assert done.returncode == 75
    assert "onestep.E020 " in done.stderr
    assert "onestep.E12" not in done.stderr
    assert "The pool's clients: fits, with 184 to spare" in done.stdout
    assert "PostgreSQL's connections: not judged" in done.stdout
    assert budget(**away | {"WEB_REPLICAS": "40"}).returncode == 1


# --- The start --------------------------------------------------------------------------------------------------------
def test_serve_is_refused(migrated: Scratch) -> None:
    """Before anything is served, in words, and for good: no restart mends that."""
    variables = {**PRODUCTION, **address(POSTGRES_DB=migrated.name), "BIND": "127.0.0.1:1"}
    done = run_onestep("serve", variables={**variables, "WEB_REPLICAS": "100", "WEB_WORKERS": "2"})
    assert done.returncode == 78
    assert "onestep.E122 " in done.stderr
    assert "  replicas     100 x 2 workers x 4 threads" in done.stderr
    assert "gunicorn" not in done.stdout


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"WEB_REPLICAS": "100", "WEB_WORKERS": "2"}, ["E122"]),
        ({"WEB_REPLICAS": "2", "POOL_SIZE": "200"}, ["E121"]),
        ({"WEB_REPLICAS": "100", "WEB_WORKERS": "2", "POOL_SIZE": "200"}, ["E120", "E121"]),
        # A job beside the web containers does not know what their CPU limit makes of the workers.
        ({"WEB_REPLICAS": "100"}, []),
        ({"WEB_REPLICAS": "100", "POOL_SIZE": "20"}, []),
        # Nor does anyone know who is not told how many replicas there are; and development has its own ways.
        ({"WEB_WORKERS": "60", "WEB_THREADS": "60"}, []),
        ({"DEBUG": "1", "WEB_REPLICAS": "100", "WEB_WORKERS": "2"}, []),
    ],
)
def test_migrate_is_refused(scratch: Scratch, variables: dict[str, str], refused: list[str]) -> None:
    """Before it has changed anything."""
    done = run_onestep("migrate", "people", variables={**PRODUCTION, **address(POSTGRES_DB=scratch.name), **variables})
    assert re.findall(r"onestep\.(E\d+)", done.stderr) == refused
    assert done.returncode == (78 if refused else 0), done.stderr
    assert ("people_person" in scratch.tables()) is not bool(refused)
    if refused:
        assert scratch.tables() == set()


def test_question_is_one_statement_on_the_open_connection() -> None:
    """A start makes that connection anyway, to wait for the database."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    before = backend_pid()
    with connection.execute_wrapper(note):
        read_budget(connection)
    assert len(statements) == 1
    assert backend_pid() == before


def backend_pid() -> int:
    """Return the process id of this connection's session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
