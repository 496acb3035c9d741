"""Log lines: one for each request, and a file that several processes share."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from structlog.testing import capture_logs

from onestep.operations.logs import SharedRotatingFileHandler
from tests.unit.operations.commands import run_onestep


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What is logged with structlog."""
    with capture_logs() as found:
        yield found


def test_log_request_once(client: Client, lines: list[Any]) -> None:
    """One line, with the id that the answer has too; probes have none."""
    response = client.get("/api/v1/nothing/?page=2", REMOTE_ADDR="10.0.0.7")
    client.get("/health/live")
    finished = [line for line in lines if line["log_level"] not in {"debug"}]
    assert [line["event"] for line in finished] == ["request_finished"]
    assert finished[0]["request"] == "GET /api/v1/nothing/?page=2"
    assert finished[0]["code"] == 404
    assert finished[0]["milliseconds"] >= 0
    assert response["X-Request-ID"] == response.json()["request_id"]


def test_log_request_with_forged_address(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Without a proxy of ours nothing in X-Forwarded-For is believed."""
    client.get("/api/v1/nothing/", REMOTE_ADDR="10.0.0.7", headers={"X-Forwarded-For": "6.6.6.6"})
    [message] = [str(record.msg) for record in caplog.records if "request_finished" in str(record.msg)]
    assert "10.0.0.7" in message
    assert "6.6.6.6" not in message


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/favicon.ico"])
def test_log_request_reads_no_user(client: Client, path: str) -> None:
    """A session is not read for the log's sake: this test has no database."""
    client.cookies["sessionid"] = "x" * 32
    assert client.get(path).status_code in {302, 404}
    assert connection.queries == []


def write(handler: logging.Handler, number: int) -> None:
    handler.handle(logging.makeLogRecord({"msg": json.dumps({"line": number, "filling": "x" * 60})}))


def test_rotate_log_of_processes(tmp_path: Path) -> None:
    """Four processes write 2,000 lines into a file that holds 100: each line is there, whole, and once."""
    file = tmp_path / "onestep.json.log"
    handler = SharedRotatingFileHandler(str(file), maxBytes=8_000, backupCount=100)
    write(handler, -1)  # opened before the fork, as in gunicorn
    children = []
    for first in range(0, 2000, 500):
        child = os.fork()
        if child == 0:
            for number in range(first, first + 500):
                write(handler, number)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    handler.close()
    files = list(tmp_path.glob("onestep.json.log*"))
    files.remove(tmp_path / "onestep.json.log.lock")
    numbers = [json.loads(line)["line"] for found in files for line in found.read_text().splitlines()]
    assert sorted(numbers) == list(range(-1, 2000))
    assert len(files) > 20
    assert all(found.stat().st_size <= 8_000 for found in files)


def test_log_folder_missing(tmp_path: Path) -> None:
    """It is said once, with an id and without a traceback, and the lines go to stdout."""
    code = "import logging; log = logging.getLogger('test'); log.warning('one'); log.warning('two')"
    result = run_onestep(
        "shell", "--verbosity=0", "-c", code, variables={"DEBUG": "1", "LOG_DIR": str(tmp_path / "no")}
    )
    assert result.returncode == 0
    events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert events[0] == "one"
    assert events[1].startswith(f"onestep.E044 LOG_DIR: no log file can be written in {tmp_path / 'no'}: No such file")
    assert events[2] == "two"
    assert "Traceback" not in result.stderr


def test_log_folder(tmp_path: Path) -> None:
    code = "import logging; logging.getLogger('test').warning('one %s', 1)"
    run_onestep("shell", "--verbosity=0", "-c", code, variables={"DEBUG": "1", "LOG_DIR": str(tmp_path)})
    [line] = (tmp_path / "onestep.json.log").read_text().splitlines()
    assert json.loads(line)["event"] == "one 1"
