"""`make prod-status`: what it says of a container and of the backups."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tools.production.replicas import Replica, up_addresses
from tools.production.status import age, fault, judge_backup, missing, table


def moment(**ago: float) -> str:
    """Return when something was, as Docker writes it."""
    return (datetime.now(UTC) - timedelta(**ago)).isoformat().replace("+00:00", "Z")


WEB = Replica(
    id="1",
    name="onestep-production-web-3",
    service="web",
    number=3,
    state="running",
    health="healthy",
    restarts=0,
    exit_code=0,
    error="",
    killed_for_memory=False,
    image="sha256:" + "ab" * 32,
    version="1.2.0",
    config_hash="",
    environment={},
    addresses=frozenset(),
    ports="",
    started=moment(hours=5),
    created=moment(hours=5),
    stop_timeout=30,
)


@pytest.mark.parametrize(
    "fine",
    [
        {},
        {"health": "starting"},
        {"restarts": 4},  # hours ago, and well since then
        {"service": "migrate", "state": "exited"},
        {"service": "balancer", "health": ""},
    ],
)
def test_what_is_well_is_no_fault(fine: dict[str, Any]) -> None:
    assert fault(replace(WEB, **fine)) is None


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (
            {"state": "restarting", "restarts": 3, "exit_code": 1},
            "E100",
            "web-3 keeps ending: 3 of 10 times so far, lastly with exit status 1.",
        ),
        ({"restarts": 1, "started": moment(seconds=20)}, "E100", "web-3 keeps ending: 1 of 10 times so far."),
        ({"restarts": 5}, "E100", "web-3 was started again 5 times, and will not be after 10."),
        ({"state": "restarting", "restarts": 2, "killed_for_memory": True}, "E100", "its memory was used up"),
        (
            {"state": "exited", "restarts": 10, "exit_code": 3},
            "E100",
            "web-3 was given up: it ended 10 times, lastly with exit status 3.",
        ),
        ({"state": "exited"}, "E101", "web-3 is exited, with exit status 0."),
        ({"state": "created", "error": "no such file"}, "E101", "web-3 is created, with exit status 0: no such file."),
        ({"service": "migrate", "state": "exited", "exit_code": 1}, "E101", "migrate-3 is exited, with exit status 1."),
        ({"health": "unhealthy"}, "E101", "web-3 runs, and is not healthy."),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], error: str, words: str) -> None:
    found = fault(replace(WEB, **wrong))
    assert found
    assert found[0] == error
    assert words in found[1]


def test_service_without_all_its_containers_is_said() -> None:
    services = {"web": {"deploy": {"replicas": 3}}, "db": {}, "balancer": {}}
    found = [WEB, replace(WEB, service="db")]
    assert [what for _, what, _ in missing(services, found)] == ["web has 1 of 3 containers.", "balancer does not run."]


def good(**ago: float) -> dict[str, Any]:
    """Return a status with a good backup that is so old."""
    attempt = {"at": moment(**ago), "outcome": "ok", "id": None, "detail": "", "seconds": 3}
    return {
        "last_attempt": attempt,
        "last_good": {"at": moment(**ago), "snapshot": "abcd1234", "bytes": 2_500_000, "seconds": 3},
    }


def test_good_backup_is_shown() -> None:
    assert judge_backup(good(hours=3), 26) == ("3 h ago, 2.5 MB, snapshot abcd1234", [])


def test_backup_that_is_overdue_is_said() -> None:
    words, problems = judge_backup(good(hours=30), 26)
    assert words.startswith("1 d ago")
    assert [what for _, what, _ in problems] == ["The last good backup is older than 26 hours."]


def test_backup_that_failed_is_said_with_its_id() -> None:
    attempt = {"at": moment(minutes=2), "outcome": "failed", "id": "onestep.E070", "detail": "No room.", "seconds": 1}
    _, problems = judge_backup({**good(hours=3), "last_attempt": attempt}, 26)
    assert [what for _, what, _ in problems] == ["The backup of 2 min ago failed: onestep.E070 No room."]


def test_no_good_backup_is_said() -> None:
    words, problems = judge_backup({**good(hours=3), "last_good": None}, 26)
    assert words == "none"
    assert [what for _, what, _ in problems] == ["There is no good backup."]


@pytest.mark.parametrize(
    ("ago", "words"),
    [({"seconds": 5}, "5 s"), ({"minutes": 3}, "3 min"), ({"hours": 30}, "1 d"), ({"hours": 23}, "23 h")],
)
def test_age_has_one_unit(ago: dict[str, float], words: str) -> None:
    assert age(moment(**ago)) == words


def test_columns_stand_below_each_other() -> None:
    assert table([("A", "LONG", "C"), ("aaa", "b", "c")]) == ["A    LONG  C", "aaa  b     c"]


def test_server_counts_once_the_balancer_sends_requests_to_it() -> None:
    """HAProxy's table: up, and with a weight; wherever the address stands."""
    rows = [
        "# pxname,svname,status,weight,addr,",
        "ready,web1,UP,1,172.18.0.5:8000,",
        "ready,web2,UP,0,172.18.0.6:8000,",
        "ready,web3,DOWN,1,172.18.0.7:8000,",
        "ready,web4,UP 1/2,1,172.18.0.8:8000,",
        "alive,web1,UP,1,172.18.0.7:8000,",
        "ready,web5,MAINT,1,,",
        "ready,BACKEND,UP,2,,",
    ]
    assert up_addresses("\n".join(rows)) == {"172.18.0.5", "172.18.0.8"}
