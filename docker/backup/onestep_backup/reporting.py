"""What a run says: JSON lines in the container's log, or words for who waits for it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from onestep_backup.problems import BackupError


class Report:
    """Writes events. With `words` they are sentences on stdout, and errors go to stderr."""

    def __init__(self, *, words: bool) -> None:
        self.words = words

    def info(self, event: str, **fields: Any) -> None:
        """Report what was done."""
        if self.words:
            print(event, flush=True)
        else:
            self._line("info", event, fields)

    def error(self, error: BackupError, **fields: Any) -> None:
        """Report what went wrong."""
        if self.words:
            print(error, file=sys.stderr, flush=True)
        else:
            self._line("error", error.what, {"id": error.id, "todo": error.todo, **fields})

    def _line(self, level: str, event: str, fields: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"event": event, "level": level, "logger": "onestep.backup", "timestamp": now, **fields}
        print(json.dumps(line), flush=True)
