"""One production stack for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container.production.stack import LOGIN, ProductionStack, production_stack


@pytest.fixture(scope="module")
def production(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionStack]:
    """A stack that is up, with somebody who may do everything; its logs are printed where a test fails.

    A test that changes what others see takes `production_stack` itself.
    """
    failed_before = request.session.testsfailed
    with production_stack(tmp_path_factory.mktemp("production")) as stack:
        stack.create_user(*LOGIN)
        yield stack
        if request.session.testsfailed > failed_before:
            stack.print_logs()
