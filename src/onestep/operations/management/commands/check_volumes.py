"""`onestep check_volumes`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onestep.operations.volumes import volume_faults


class Command(BaseCommand):
    """Say which folders cannot be written to, and how to mend that; exit with 1 where there are any."""

    help = "Check that the folders of media, static files and logs are writable by this process."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at each folder."""
        faults = volume_faults()
        if faults:
            raise CommandError("\n".join(str(fault) for fault in faults))
        self.stdout.write("The folders of media, static files and logs are in order.")
