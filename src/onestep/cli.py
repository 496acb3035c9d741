"""The `onestep` command line: Django's management commands, and OneStep's own, under one name."""

from __future__ import annotations

import os
import sys

from onestep.stopping import leave_when_told


def main() -> None:
    """Run the command in `sys.argv`.

    An environment that is not fit to start with, and a database that cannot be spoken to, end it with words instead of
    a traceback (`--traceback` shows that): exit 78 (EX_CONFIG) where something has to be corrected, 75 (EX_TEMPFAIL)
    where the same may succeed later.
    """
    if os.getpid() == 1:
        # A container that is told to stop while Django is loaded would begin to serve, and be killed with the requests
        # that it has by then.
        leave_when_told()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "onestep.settings")
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db import InterfaceError, NotSupportedError, OperationalError  # noqa: PLC0415

    from onestep.operations.database import explain  # noqa: PLC0415

    try:
        _ = settings.DEBUG  # loads the settings, which read the whole environment at once
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(os.EX_CONFIG)
    try:
        execute_from_command_line(["onestep", *sys.argv[1:]])
    except (InterfaceError, NotSupportedError, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        fault = explain(error)
        sys.stderr.write(f"{fault}\n")
        sys.exit(os.EX_TEMPFAIL if fault.transient else os.EX_CONFIG)
