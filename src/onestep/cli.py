"""The `onestep` command line: Django's management commands, and OneStep's own, under one name."""

from __future__ import annotations

import os
import sys

# sysexits.h: something in the configuration is wrong. Distinct from 1, so that a supervisor can tell it from a crash.
EX_CONFIG = 78


def main() -> None:
    """Run the command in `sys.argv`; exit with 78 and words where the environment is not fit to start with."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "onestep.settings")
    from django.conf import settings  # noqa: PLC0415
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    try:
        _ = settings.DEBUG  # loads the settings, which read the whole environment at once
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EX_CONFIG)
    execute_from_command_line(["onestep", *sys.argv[1:]])
