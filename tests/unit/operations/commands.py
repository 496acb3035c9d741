"""`onestep` as a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from django.db import connection

ONESTEP = [sys.executable, "-m", "onestep"]


def run_onestep(*arguments: str, variables: Mapping[str, str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command with these variables alone; `timeout` is in seconds."""
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [*ONESTEP, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def address(**changes: str) -> dict[str, str]:
    """Return the variables of the tests' database, with DB_HOST and its like changed."""
    settings = connection.settings_dict
    found = {
        "POSTGRES_DB": settings["NAME"],
        "POSTGRES_USER": settings["USER"],
        "POSTGRES_PASSWORD": settings["PASSWORD"],
        "DB_HOST": settings["HOST"],
        "DB_PORT": str(settings["PORT"]),
    }
    return found | changes
