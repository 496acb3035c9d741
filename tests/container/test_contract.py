"""The running service against its own OpenAPI document: schemathesis makes up the calls, and looks at the answers.

    nox -s contract                             a minute of it
    nox -s contract -- --contract-cases=20000   as many cases as that, and new ones each time

It finds a status, a field, a header or a media type that is not described, an answer that does not fit its schema, data
that is taken or refused against the document, a way around the log-in, a row that is there after its deletion, and any
failure of the server. What it may ignore stands in contract/schemathesis.toml and contract/hooks.py.
"""

from __future__ import annotations

import copy
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.container.service import Service, Web

FOLDER = Path(__file__).parent / "contract"
USERNAME, PASSWORD = "root", secrets.token_urlsafe(16)
SHORT_SECONDS, LONG_SECONDS = 60, 300
AT_ONCE = 2  # runs side by side: rows change under each other's hands, as they do in use


@dataclass(frozen=True)
class Run:
    """One run of schemathesis: what it printed, and its report."""

    output: str
    report: dict[str, Any]


@pytest.fixture(scope="module")
def web(production: Service) -> Web:
    """A web container with sample data, whose tokens outlive the longest run."""
    loaded = production.onestep("load_sample_data", "--force")
    assert loaded.status == 0, loaded.output
    production.create_user(USERNAME, PASSWORD)
    [web] = production.start_web(environment={"ACCESS_TOKEN_MINUTES": "1440"})
    web.wait_until_ready()
    return web


@pytest.fixture(scope="module")
def document(web: Web) -> dict[str, Any]:
    """The OpenAPI document that the service serves, with its objects closed: a field that is not in it is a fault.

    For clients they are open, so that a later version may add a field. Problems have further members of their own.
    """
    served: dict[str, Any] = web.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    for name, schema in served["components"]["schemas"].items():
        if schema["type"] == "object" and not name.endswith(("Request", "Problem")):
            schema["additionalProperties"] = False
    return served


def start(web: Web, document: dict[str, Any], folder: Path, *options: str) -> tuple[subprocess.Popen[str], Path]:
    """Start schemathesis as the superuser; return the process and where its report will be."""
    folder.mkdir()
    report = folder / "report.json"
    (folder / "openapi.json").write_text(json.dumps(document))
    environment = {
        **os.environ,
        "CONTRACT_HOOKS": str(FOLDER / "hooks.py"),
        "CONTRACT_TOKEN": web.obtain_token(USERNAME, PASSWORD),
        "CONTRACT_USERNAME": USERNAME,
        "CONTRACT_PASSWORD": PASSWORD,
    }
    command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color"]
    command += [f"--config-file={FOLDER / 'schemathesis.toml'}", "run", "openapi.json", f"--url={web.url}", *options]
    output = (folder / "output.txt").open("w")
    process = subprocess.Popen(
        [*command, "--report=json", f"--report-json-path={report}"],
        cwd=folder,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output.close()
    return process, report


def finish(process: subprocess.Popen[str], report: Path, *, within: float) -> Run:
    """Wait for a run and return what it found."""
    try:
        process.wait(within)
    finally:
        process.kill()
        process.wait()
    output = report.with_name("output.txt").read_text()
    assert report.exists(), output
    return Run(output, json.loads(report.read_text()))


def test_service_keeps_its_contract(
    web: Web, document: dict[str, Any], tmp_path: Path, pytestconfig: pytest.Config, figures: dict[str, str]
) -> None:
    """The short run begins at the same seeds each time; a long one at new ones, which it prints where it fails."""
    wanted = pytestconfig.getoption("--contract-cases")
    seconds = LONG_SECONDS if wanted else SHORT_SECONDS
    seed = secrets.randbelow(10**9) if wanted else 1
    cases = rounds = 0
    while not rounds or cases < wanted:
        started = [
            start(web, document, tmp_path / f"{rounds}-{number}", f"--seed={seed + number}", f"--max-time={seconds}")
            for number in range(AT_ONCE)
        ]
        runs = [finish(*one, within=seconds + 60) for one in started]
        for run in runs:
            assert (run.report["exit_code"], run.report["complete"]) == (0, True), run.output
            assert run.report["operations"]["tested"] == run.report["operations"]["total"] > 50, run.output
            assert {phase["status"] for phase in run.report["phases"].values()} == {"success"}, run.output
            cases += run.report["test_cases"]["generated"]
        rounds += 1
        seed += AT_ONCE
    figures["cases that schemathesis made, and no fault found"] = f"{cases:,} in {rounds * seconds} s"
    assert cases > 1000
    assert [event for event in web.events() if event["level"] in {"error", "critical"}] == []


def test_broken_contract_is_found(web: Web, document: dict[str, Any], tmp_path: Path) -> None:
    """A document that promises other things than the service keeps is held against it, at one address."""
    document = copy.deepcopy(document)
    people = document["paths"]["/api/v1/people/"]["get"]
    del people["responses"]["400"]
    next(one for one in people["parameters"] if one["name"] == "page_size")["schema"]["maximum"] = 50
    del document["components"]["schemas"]["Person"]["properties"]["phone"]
    document["components"]["schemas"]["Person"]["required"].remove("phone")
    document["components"]["schemas"]["PersonRequest"]["properties"]["phone"]["maxLength"] = 60
    options = ["--include-path=/api/v1/people/", "--phases=coverage", "--seed=1"]
    run = finish(*start(web, document, tmp_path / "run", *options), within=60)
    assert {found["type"] for found in run.report["failures"]} >= {
        "UndefinedStatusCode",
        "JsonSchemaError",
        "AcceptedNegativeData",
        "RejectedPositiveData",
    }, run.output
