"""Fixtures of the tests of operations."""

from tests.unit.operations.scratch import migrated, migrated_template, scratch

__all__ = ["migrated", "migrated_template", "scratch"]
