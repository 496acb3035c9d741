"""What an image adds to its base, read from the engine's archive: each file of each layer, deleted later or not."""

from __future__ import annotations

import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from tests.container.service import image_id


@dataclass(frozen=True)
class File:
    """A file, folder or link in a layer. The content of a link is what it points to."""

    mode: int
    owner: tuple[int, int]
    time: float
    is_link: bool
    content: bytes


@dataclass(frozen=True)
class Image:
    """An image: what the engine says of its base and of it, its history, and the files of its own layers by path."""

    base: dict[str, Any]
    inspected: dict[str, Any]
    history: list[dict[str, Any]]
    layers: list[dict[str, File]]

    @property
    def layer_ids(self) -> list[str]:
        """The digests of its own layers' content."""
        own: list[str] = self.inspected["RootFS"]["Layers"][-len(self.layers) :]
        return own

    @property
    def files(self) -> dict[str, File]:
        """All files of its own layers, without a leading slash."""
        return {name: file for layer in self.layers for name, file in layer.items()}


def read_image(image: str) -> Image:
    """Read an image that was built on the base of the built one. Raises AssertionError where it was not."""
    engine = docker.from_env(timeout=120)
    try:
        base, found = engine.images.get(image_id("python:3.11-slim")), engine.images.get(image)
        below, layers = base.attrs["RootFS"]["Layers"], found.attrs["RootFS"]["Layers"]
        assert layers[: len(below)] == below, f"{image} is not built on this machine's base image"
        with tempfile.TemporaryFile() as archive:
            for chunk in found.save():
                archive.write(chunk)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as opened:
                manifest = json.load(opened.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
                own = [read_layer(opened, name) for name in manifest["Layers"][len(below) :]]
        return Image(base.attrs, found.attrs, found.history(), own)
    finally:
        engine.close()


def read_layer(archive: tarfile.TarFile, name: str) -> dict[str, File]:
    """Return the files of one layer of the archive."""
    with tarfile.open(fileobj=archive.extractfile(name)) as layer:
        return {
            str(Path(entry.name)): File(
                mode=entry.mode,
                owner=(entry.uid, entry.gid),
                time=entry.mtime,
                is_link=entry.issym(),
                content=layer.extractfile(entry).read() if entry.isfile() else entry.linkname.encode(),  # type: ignore[union-attr]
            )
            for entry in layer
        }
