"""The images of a stack: found, built, named, and which containers run an older one."""

from __future__ import annotations

import json

from tools.production.replicas import Replica
from tools.production.stack import Production, ProductionError, run
from tools.production.steps import Steps


def find_image(production: Production, steps: Steps, name: str) -> str:
    """Return the id of an image that is here, or is pulled. Raises ProductionError where it is neither."""
    found = image_id(name)
    if found:
        return found
    with steps.step(f"Pull {name}"):
        pulled = run(["docker", "pull", "--quiet", name], capture=True)
    if pulled.returncode != 0:
        raise ProductionError(
            (
                "E094",
                f"The image {name} is not here, and cannot be pulled: {pulled.stderr.strip()}",
                "Give the name or id of an image: make deploy IMAGE=…",
            )
        )
    return image_id(name)


def build_web(production: Production, steps: Steps) -> str:
    """Build the image of `web` from this checkout; return its id."""
    env = {"ONESTEP_IMAGE": ""}
    with steps.step("Build the image from this checkout"):
        production.compose("build", "web", env=env)
    return image_id(production.config(env)["services"]["web"]["image"])


def build_others(production: Production, steps: Steps, *, missing_only: bool = False) -> None:
    """Build the images of the other services that have theirs from this checkout; what runs is left as it is."""
    wanted = [name for name, image in others(production).items() if not (missing_only and image_id(image))]
    if wanted:
        with steps.step(f"Build the images of {', '.join(wanted)}"):
            production.compose("build", *wanted)


def others(production: Production) -> dict[str, str]:
    """Return the services beside `web` whose images are built from this checkout, each with its image's name."""
    services = production.config()["services"]
    return {name: one["image"] for name, one in services.items() if "build" in one and name != "web"}


def outdated(production: Production, found: list[Replica]) -> list[str]:
    """Return which of these containers run an older image than the one that was built for them."""
    built = {name: image_id(image) for name, image in others(production).items()}
    return [f"{one.service}-{one.number}" for one in found if built.get(one.service, one.image) not in ("", one.image)]


def image_id(name: str) -> str:
    """Return the id of a local image, or "" where there is none of that name."""
    return run(["docker", "image", "inspect", "--format={{.Id}}", name], capture=True).stdout.strip()


def describe(image: str) -> str:
    """Return an image's version and the beginning of its id."""
    if not image:
        return "nothing"
    found = run(["docker", "image", "inspect", "--format={{json .Config.Labels}}", image], capture=True).stdout
    version = (json.loads(found or "null") or {}).get("org.opencontainers.image.version", "")
    return f"{version or 'image'} ({image.removeprefix('sha256:')[:12]})"


def keep(production: Production) -> None:
    """Name the image that runs and the one before, so that `docker image prune` leaves them."""
    name = production.config({"ONESTEP_IMAGE": ""})["services"]["web"]["image"]
    state = production.state()
    for tag, image in (("running", state.get("ONESTEP_IMAGE")), ("previous", state.get("ONESTEP_PREVIOUS_IMAGE"))):
        if image:
            run(["docker", "tag", image, f"{name}:{tag}"], capture=True)
