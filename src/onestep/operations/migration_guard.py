"""No migration of a database that is in use without a backup of shortly before."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from onestep.operations.backups import BackupStatusError, read_backup_status


def require_recent_backup(using: str) -> None:
    """Raise CommandError where migrations wait for a database in use that has no good backup of shortly before.

    MIGRATE_BACKUP_MAX_AGE says how old it may be, in minutes; 0 means that nobody asks. A database in which no
    migration was applied yet has nothing to lose.
    """
    if not settings.MIGRATE_BACKUP_MAX_AGE:
        return
    executor = MigrationExecutor(connections[using])
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not pending or not executor.loader.applied_migrations:
        return
    most = timedelta(minutes=settings.MIGRATE_BACKUP_MAX_AGE)
    try:
        good = read_backup_status().last_good
    except BackupStatusError as error:
        found = error.fault.message
    else:
        if good and good.age() <= most:
            return
        found = f"The last good one is of {good.at:%Y-%m-%d %H:%M} UTC." if good else "There is no good one."
    count = f"{len(pending)} migration{'s' if len(pending) > 1 else ''}"
    raise CommandError(
        f"onestep.E116 {count} would change a database that is in use, without a good backup of the last "
        f"{settings.MIGRATE_BACKUP_MAX_AGE} minutes. {found}\n"
        "    Nothing was changed. `make backup`, then this again; MIGRATE_BACKUP_MAX_AGE=0 does without."
    )
