"""How many connections to the database this process has open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet


class OpenConnections:
    """Counts psycopg2's own connections, so that one that a server has closed, or nobody refers to, is none.

    `watch` is called with the number whenever a connection was opened or closed.
    """

    def __init__(self) -> None:
        self.watch: Callable[[int], None] | None = None
        self._known: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: Any) -> None:
        """Note that the connection was opened."""
        if self.watch:
            with self._lock:
                self._known.add(connection)
            self.look()

    def look(self) -> None:
        """Count again, since one was closed."""
        if self.watch:
            with self._lock:
                number = sum(not connection.closed for connection in self._known)
            self.watch(number)


open_connections = OpenConnections()
