"""Fixtures of the tests of operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.operations.scratch import migrated, migrated_template, scratch

__all__ = ["migrated", "migrated_template", "scratch"]


@pytest.fixture
def volumes(media_root: Path, settings: Any, tmp_path: Path) -> Path:
    """A media folder, and static files as the image has them."""
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "staticfiles.json").write_text("{}")
    return tmp_path
