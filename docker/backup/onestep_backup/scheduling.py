"""The service: backups at times of the day, and what its health check looks at."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from onestep_backup.configuration import Configuration
from onestep_backup.making import BackupRun
from onestep_backup.problems import BackupError
from onestep_backup.reporting import Report
from onestep_backup.status import Status, alone, read_status

LOOK_SECONDS = 20
# A failure may pass, as when the database was restarted: it is not left at that until the next day.
RETRY = timedelta(hours=1)


def due(configuration: Configuration, status: Status, now: datetime) -> bool:
    """Return whether a backup is to be made: no attempt yet, none since the last time of the schedule, or a failed one.

    What was missed while the machine was off is made up for.
    """
    attempted = status.attempted_at
    if attempted is None or status.last_attempt is None:
        return True
    if status.last_attempt["outcome"] != "ok" and now - attempted >= RETRY:
        return True
    return attempted < latest_time(configuration, now)


def latest_time(configuration: Configuration, now: datetime) -> datetime:
    """Return the last time of the schedule that is not after now."""
    days = (now.date() - timedelta(days=1), now.date())
    times = [datetime.combine(day, moment, tzinfo=UTC) for day in days for moment in configuration.times]
    return max(moment for moment in times if moment <= now)


def serve(configuration: Configuration, report: Report) -> None:
    """Make backups when they are due, for ever. A failed one is reported, and tried again later."""
    report.info(
        f"Backups at {', '.join(f'{moment:%H:%M}' for moment in configuration.times)} UTC "
        f"into {configuration.repository}."
    )
    overdue = False
    while True:
        if due(configuration, read_status(), datetime.now(UTC)):
            try:
                with alone(wait=configuration.wait_seconds, say=report.info):
                    # Somebody may have made one while this waited.
                    if due(configuration, read_status(), datetime.now(UTC)):
                        BackupRun(configuration, report).perform()
            except BackupError as error:
                report.error(error)
        fault = health_fault(configuration, read_status(), datetime.now(UTC))
        if fault and fault.id == "onestep.E064" and not overdue:
            report.error(fault)
        overdue = fault is not None and fault.id == "onestep.E064"
        time.sleep(LOOK_SECONDS)


def health_fault(configuration: Configuration, status: Status, now: datetime) -> BackupError | None:
    """Return what is wrong with the backups: an overdue one, or a last attempt that failed."""
    most = timedelta(hours=configuration.max_age_hours)
    since = status.good_at or _started()
    if now - since > most:
        return BackupError(
            "E064",
            f"No good backup is younger than {configuration.max_age_hours} hours.",
            "make prod-logs says why; make backup makes one.",
        )
    if status.last_attempt and status.last_attempt["outcome"] != "ok":
        return BackupError(
            "E065",
            f"The last attempt failed: {status.last_attempt['id']} {status.last_attempt['detail']}",
            "Mend the cause; make backup tries again.",
        )
    return None


def _started() -> datetime:
    """Return when the container was started."""
    return datetime.fromtimestamp(Path("/proc/1").stat().st_mtime, UTC)
