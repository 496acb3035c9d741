"""`make prod-init`: the operator's folder, with strong secrets. What is there is left as it is."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tools.production.stack import SECRETS, Production

SETTINGS = """\
# What this installation is. docs/operations.md lists every name; those here are what most have to think about.

# The names that clients use, separated by commas, without scheme and port.
ALLOWED_HOSTS=localhost,127.0.0.1
# 1 where clients come by HTTPS. 0 only where nobody else is on the way, such as on one machine.
HTTPS=0
# Where the balancer listens.
BIND_ADDRESS=127.0.0.1
PORT=8000
# How much of the machine a replica gets. `make scale N=3` changes how many there are.
WEB_CPUS=1
WEB_MEMORY=512m
"""


def initialise(production: Production) -> None:
    """Make the folder, its settings and the secrets that are missing, and say which.

    A secret that the environment has, under its name in capitals, is taken from there. Only the owner may enter the
    folder of the secrets. The files in it are readable by all, since each container reads its own as another user.
    """
    production.folder.mkdir(parents=True, exist_ok=True)
    production.secrets.mkdir(mode=0o700, exist_ok=True)
    production.secrets.chmod(0o700)
    if not production.settings_file.exists():
        production.settings_file.write_text(SETTINGS)
        print(f"Made {production.settings_file}: read it, and set what differs here.")
    for name in SECRETS:
        file = production.secrets / name
        if file.exists():
            print(f"Kept {file}")
            continue
        given = os.environ.get(name.upper())
        write_secret(file, given or secrets.token_urlsafe(48))
        print(f"Made {file}" + (f" from {name.upper()}" if given else ""))
    print("Keep a copy of the secrets where this machine's fate does not matter: without them no backup can be read.")


def write_secret(file: Path, value: str) -> None:
    """Write a secret so that nobody sees it half-written."""
    new = file.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o444)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(value + "\n")
    new.chmod(0o444)
    new.replace(file)
