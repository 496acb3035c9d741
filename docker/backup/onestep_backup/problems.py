"""What goes wrong, in words and with an id that docs/errors.md explains."""

from __future__ import annotations


class BackupError(Exception):
    """Ends a run: an id, what is wrong, and what to do."""

    def __init__(self, error_id: str, what: str, todo: str) -> None:
        super().__init__(what)
        self.id = f"onestep.{error_id}"
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.id} {self.what}\n    {self.todo}"


class StoppedError(BaseException):
    """The process was told to stop. No Exception, so that nothing takes it for a failure that it could handle."""


def last_words(text: str, most: int = 400) -> str:
    """Return the end of what a program printed, on one line of at most so many characters."""
    return " ".join(text.split())[-most:]


def disk_full(text: str) -> BackupError | None:
    """Return the error for a program's words that mean a full disk or quota, else None."""
    if "no space left on device" in text.lower() or "disk quota exceeded" in text.lower():
        return BackupError(
            "E071",
            f"There is no room left: {last_words(text)}",
            "Make room where the message says, or keep fewer backups (BACKUP_KEEP_DAILY and its like). The earlier "
            "backups are as they were.",
        )
    return None
