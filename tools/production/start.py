"""`make prod-up`: everything, from nothing or from what is there."""

from __future__ import annotations

import subprocess

from tools.production.stack import CHECKOUT, Production


def start(production: Production) -> None:
    """Start the stack and wait until it is healthy. The first time the image is built from this checkout.

    Raises ProductionError with everything that is missing, before anything is started.
    """
    production.require()
    if "ONESTEP_IMAGE" not in production.state():
        production.compose("build")
        production.note(ONESTEP_IMAGE=image_id(production.config()["services"]["web"]["image"]))
    production.compose("up", "--detach", "--wait", "--no-recreate")


def image_id(name: str) -> str:
    """Return the id of a local image."""
    return subprocess.run(
        ["docker", "image", "inspect", "--format={{.Id}}", name],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
