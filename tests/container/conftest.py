"""Fixtures of what is looked at from the outside."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.container.service import Service, service
from tests.container.stack import Stack, development_stack

# Somebody who is neither root nor the first user of a machine. Without root nothing can be given to another user, and
# the stack is run as the person who runs the tests.
SOMEBODY = 12345
MEASURED = pytest.StashKey[dict[str, float]]()
FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person choose how long the contract is looked at."""
    parser.addoption(
        "--contract-cases", type=int, default=0, help="how many cases schemathesis makes at least (0: a minute of them)"
    )


def pytest_configure() -> None:
    """End a run that is told to end (SIGTERM) as Ctrl-C does: what it made is removed.

    Ctrl-C itself is ignored by what a script runs in its background, and by what that runs: not so here, where
    commands are run as a person runs them.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope="session")
def owner() -> int:
    """The user id that the checkout belongs to."""
    return SOMEBODY if os.getuid() == 0 else os.getuid()


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> dict[str, float]:
    """Seconds by what was measured; the run's last lines show them."""
    return pytestconfig.stash.setdefault(MEASURED, {})


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """What was measured and is no time, in words; the run's last lines show that too."""
    return pytestconfig.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what was measured."""
    for name, seconds in config.stash.get(MEASURED, {}).items():
        terminalreporter.write_line(f"{name}: {seconds:.2f} s")
    for name, figure in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"{name}: {figure}")


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    owner: int,
    measured: dict[str, float],
) -> Iterator[Stack]:
    """The development stack, built and then started with empty volumes by one `docker compose up --wait`."""
    with development_stack(tmp_path_factory.mktemp("checkout"), owner=owner) as stack:
        began = time.monotonic()
        stack.run("docker compose up --wait")
        measured["docker compose up --wait, empty volumes"] = time.monotonic() - began
        yield stack
        if request.session.testsfailed:
            stack.print_logs()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser: Chromium of this machine, else the one that `playwright install chromium` brings."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses its sandbox to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path and Path(path), args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def production(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A migrated service of the production image, with no web container yet; its logs are printed where a test fails.

    One for each file of tests. A test that changes what others see takes `service()` itself.
    """
    failed_before = request.session.testsfailed
    with service() as running:
        yield running
        if request.session.testsfailed > failed_before:
            running.print_logs()
