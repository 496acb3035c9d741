"""What a command says where the database fails it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import django.db
from django.core.management.base import CommandError

from onestep.operations.database import explain


@contextmanager
def database_errors_in_words() -> Iterator[None]:
    """Raise CommandError, with an id and what to do, for a database error in the block."""
    try:
        yield
    except django.db.Error as error:
        raise CommandError(str(explain(error))) from error
