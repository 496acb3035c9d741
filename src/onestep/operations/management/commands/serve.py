"""`onestep serve`."""

from __future__ import annotations

import logging
import os
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from onestep.operations.budget import check_at_start
from onestep.operations.database import DatabaseUnreachableError, wait_for_database
from onestep.operations.exporter import try_to_listen
from onestep.operations.server import serve
from onestep.operations.volumes import volume_faults
from onestep.stopping import leave_when_told

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Serve as in production: PID 1 of a container, with gunicorn under it.

    The environment was read already. A folder that cannot be written to is reported, and takes nothing but uploads
    away; the database is waited for, and the connection budget has to fit.
    """

    help = "Serve the application with gunicorn, as in production."

    def handle(self, *args: Any, **options: Any) -> NoReturn:
        """Check, wait, and become the supervisor of gunicorn."""
        leave_when_told()
        # A name server that does not answer holds a request for two seconds, not for ten: see resolv.conf(5).
        os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
        for fault in volume_faults():
            logger.warning("%s", fault)
        if settings.METRICS_BIND:
            try:
                try_to_listen()
            except OSError as error:
                raise CommandError(
                    f"onestep.E055 METRICS_BIND: nothing can listen on {settings.METRICS_BIND}: {error.strerror}.\n"
                    "    Give an address of this machine and a port that is free: 0.0.0.0:9464",
                    returncode=os.EX_CONFIG,
                ) from error
        try:
            wait_for_database(timeout=settings.DB_WAIT_TIMEOUT, say=logger.warning, look=check_at_start)
        except DatabaseUnreachableError as error:
            raise CommandError(
                str(error), returncode=os.EX_TEMPFAIL if error.fault.transient else os.EX_CONFIG
            ) from error
        serve()
