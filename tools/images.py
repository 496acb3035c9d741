"""The image that `nox -s image_build` built, and which sessions have found it good: what `reports/` knows."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / "reports"
ARCHIVE = "onestep"  # the file that a scan reads an image from: reports give the image this name


class ImageError(Exception):
    """What is wrong with an image or with what is known of it, in words."""


def built(name: str = "onestep-production") -> str:
    """Return the id of an image that was built. Raises ImageError where none was."""
    try:
        images = json.loads((REPORTS / "images.json").read_text())["built"]
    except FileNotFoundError as error:
        raise ImageError("There is no reports/images.json, so no image was built yet: nox -s image_build") from error
    return str(next(image["id"] for image in images if image["name"] == name))


def identify(image: str) -> str:
    """Return the id of an image that is given by name or id. Raises ImageError where the engine does not have it."""
    asked = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", image], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise ImageError(f"The Docker engine has no image {image}.")
    return asked.stdout.strip()


def save(image: str, archive: Path) -> str:
    """Write an image into an archive; return the digest of its configuration. Raises ImageError.

    That digest covers all layers and settings. The image's id is the same digest, or with the engine's containerd store
    that of the manifest around it.
    """
    saved = subprocess.run(
        ["docker", "save", "--output", str(archive), image], capture_output=True, text=True, check=False
    )
    if saved.returncode != 0:
        raise ImageError(f"The Docker engine does not give out the image {image}: {saved.stderr.strip()}")
    with tarfile.open(archive) as files:
        manifest = files.extractfile("manifest.json")
        assert manifest is not None
        configuration = str(json.load(manifest)[0]["Config"])
    return "sha256:" + configuration.rpartition("/")[2].removesuffix(".json")


def passed(session: str) -> str | None:
    """Return the id of the image that a session found good, or None where it has not."""
    path = REPORTS / f"passed-{session}.json"
    return str(json.loads(path.read_text())["image"]) if path.exists() else None
