"""Push the built image, but none that the matrix did not find good, and prove that the registry has what was tested.

    python -m tools.publish image REGISTRY/NAME:TAG --needs SESSION...     one image of one architecture
    python -m tools.publish index REGISTRY/NAME:TAG --of REPORT...         one name for the images of all architectures

Run by `nox -s publish`, which knows the sessions. `reports/published-<architecture>.json` and `reports/published.json`
say what was pushed, by digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools import images


class PublishError(Exception):
    """Why nothing may be published, in words."""


def main() -> int:
    """Publish what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("image")
    one.add_argument("reference")
    one.add_argument("--image", help="an image's id or name (default: the one that was built)")
    one.add_argument("--needs", action="append", required=True, help="a session that must have found it good")
    index = commands.add_parser("index")
    index.add_argument("reference")
    index.add_argument("--of", type=Path, nargs="+", required=True, help="the reports of the images")
    options = parser.parse_args()
    try:
        if options.command == "image":
            image = images.identify(options.image) if options.image else images.built()
            publish_image(image, options.reference, options.needs)
        else:
            publish_index(options.reference, [json.loads(path.read_text()) for path in options.of])
    except (PublishError, images.ImageError) as error:
        print(f"Failed: {error}", file=sys.stderr)
        return 1
    return 0


def publish_image(image: str, reference: str, sessions: list[str]) -> None:
    """Push an image, and compare what the registry then has with what was tested. Raises PublishError."""
    require_passes(image, sessions)
    require_version(image, reference)
    docker("tag", image, reference)
    docker("push", "--quiet", reference)
    manifest = raw(reference)
    digest = digest_of(manifest)
    # An image's id is its configuration's digest, or with the engine's containerd store its manifest's: both cover all.
    if image not in {digest, json.loads(manifest).get("config", {}).get("digest")}:
        raise PublishError(f"{reference} in the registry is {digest}, which is not the image that was tested: {image}.")
    architecture = docker("image", "inspect", "--format", "{{.Architecture}}", image).decode().strip()
    write(f"published-{architecture}.json", {"reference": reference, "digest": digest, "image": image})


def require_passes(image: str, sessions: list[str]) -> None:
    """Raise PublishError where a session has not found this very image good."""
    missing = {session: images.passed(session) for session in sessions if images.passed(session) != image}
    if missing:
        said = "; ".join(
            f"{session} {f'tested {other}' if other else 'has not passed'}" for session, other in missing.items()
        )
        raise PublishError(f"{image} is not published, since not every session of the matrix found it good: {said}.")


def require_version(image: str, reference: str) -> None:
    """Raise PublishError where the name says another version than the image: 1.2.3, or 1.2.3-arm64, is of 1.2.3."""
    label = '{{index .Config.Labels "org.opencontainers.image.version"}}'
    version = docker("image", "inspect", "--format", label, image).decode().strip()
    if reference.rpartition(":")[2].partition("-")[0] != version:
        raise PublishError(f"{reference} names another version than the image, which is {version}.")


def publish_index(reference: str, published: list[dict[str, Any]]) -> None:
    """Give the images of all architectures one name, and compare what it leads to with them. Raises PublishError."""
    name = reference.rpartition(":")[0]
    parts = [f"{name}@{report['digest']}" for report in published]
    tested = {digest for part in parts for digest in manifests(part)}
    docker("buildx", "imagetools", "create", "--tag", reference, *parts)
    if (found := manifests(reference)) != tested:
        raise PublishError(f"{reference} leads to {sorted(found)}, where these were tested: {sorted(tested)}.")
    write("published.json", {"reference": reference, "digest": digest_of(raw(reference)), "images": published})


def manifests(reference: str) -> set[str]:
    """Return the digests of the manifests that a name leads to: those of an index, or its own."""
    content = raw(reference)
    parts = json.loads(content).get("manifests")
    return {part["digest"] for part in parts} if parts else {digest_of(content)}


def raw(reference: str) -> bytes:
    """Return the manifest that the registry has under a name, byte by byte."""
    return docker("buildx", "imagetools", "inspect", "--raw", reference)


def digest_of(content: bytes) -> str:
    """Return a manifest's digest."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def docker(*arguments: str) -> bytes:
    """Return what a command of Docker prints. Raises PublishError where it fails."""
    finished = subprocess.run(["docker", *arguments], capture_output=True, check=False)
    if finished.returncode != 0:
        raise PublishError(f"docker {' '.join(arguments[:3])}: {finished.stderr.decode().strip()}")
    return finished.stdout


def write(name: str, report: dict[str, Any]) -> None:
    """Write down what was published, and print it."""
    (images.REPORTS / name).write_text(json.dumps(report, indent=2) + "\n")
    print(f"{report['reference']} is {report['digest']}")


if __name__ == "__main__":
    sys.exit(main())
