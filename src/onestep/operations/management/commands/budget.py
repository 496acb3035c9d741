"""`onestep budget`."""

from __future__ import annotations

import json
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, NotSupportedError, OperationalError, connection

from onestep.operations.budget import BudgetError, as_json, read_budget
from onestep.operations.database import DatabaseFault, explain


class Command(BaseCommand):
    """Print whether all replicas' connections fit, with the arithmetic; exit with 1 where they do not.

    A database that cannot be asked is no fault of the budget: what is known is printed, and the exit status is that of
    any command without its database.
    """

    help = "Compute whether the connections of all replicas fit into the pool and the database server."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Choose the form."""
        parser.add_argument("--json", action="store_true", help="print numbers, sums and problems as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the server, and print."""
        fault: DatabaseFault | None = None
        try:
            budget = read_budget(connection)
        except (InterfaceError, NotSupportedError, OperationalError) as error:
            fault = explain(error)
            budget = read_budget()
        if options["json"]:
            self.stdout.write(json.dumps(as_json(budget), indent=2))
        else:
            for one in budget.sums:
                self.stdout.write("\n".join(one.lines()) + "\n")
            if not settings.WEB_REPLICAS:
                self.stdout.write("WEB_REPLICAS is not set: one replica was counted.")
            if not settings.WEB_WORKERS_GIVEN:
                self.stdout.write("WEB_WORKERS is not set: it was counted by the CPU limit of this container.")
        if problems := budget.problems():
            raise BudgetError(problems, returncode=1)
        if fault:
            raise CommandError(str(fault), returncode=os.EX_TEMPFAIL if fault.transient else os.EX_CONFIG)
