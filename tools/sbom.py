"""Write the image's bill of materials, as CycloneDX and as SPDX, and hold it against poetry.lock.

python -m tools.sbom [--image ID]       reports/sbom.cdx.json and reports/sbom.spdx.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools import images, packages
from tools.trivy import Trivy, TrivyError, find

CYCLONEDX, SPDX = "sbom.cdx.json", "sbom.spdx.json"


def main() -> int:
    """Write both for the image that the command line names, else the one that was built; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image", help="an image's id or name (default: the one that was built)")
    parser.add_argument("--reports", type=Path, default=images.REPORTS, help="default: reports/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onestep-sbom-") as work:
        try:
            trivy = find(Path(work).resolve())
            image = images.identify(options.image) if options.image else images.built()
            problems = write(trivy, image, options.reports)
        except (TrivyError, images.ImageError) as error:
            problems = [str(error)]
    for problem in problems:
        print(f"Failed: {problem}", file=sys.stderr)
    return 1 if problems else 0


def write(trivy: Trivy, image: str, reports: Path) -> list[str]:
    """Write both documents; return what is wrong with them. Raises TrivyError or ImageError."""
    configuration = images.save(image, trivy.folder / images.ARCHIVE)
    for kind, name in (("cyclonedx", CYCLONEDX), ("spdx-json", SPDX)):
        options = ("--cache-backend=memory", f"--format={kind}", f"--output={name}", f"--input={images.ARCHIVE}")
        trivy.run("image", "--quiet", *options)
    reports.mkdir(exist_ok=True)
    problems = []
    for name, read in ((CYCLONEDX, read_cyclonedx), (SPDX, read_spdx)):
        shutil.copyfile(trivy.folder / name, reports / name)
        scanned, listed = read(json.loads((reports / name).read_text()))
        print(f"{name}: {len(listed)} packages of {image}")
        if scanned != configuration:
            problems.append(f"{name} is of the image {scanned}, not {configuration}.")
        for package, version in packages.locked().items():
            if package in packages.named() and version not in listed.get(package, set()):
                has = ", ".join(sorted(listed.get(package, set()))) or "not there"
                problems.append(f"{name}: {package} is {has}, where poetry.lock has {version}.")
        if "libc6" not in listed:
            problems.append(f"{name} lists no Debian packages.")
    return problems


def read_cyclonedx(document: dict[str, Any]) -> tuple[str, dict[str, set[str]]]:
    """Return which image a CycloneDX document is of, and the versions that it lists by package."""
    properties = {entry["name"]: entry["value"] for entry in document["metadata"]["component"]["properties"]}
    return properties["aquasecurity:trivy:ImageID"], versions(
        (component["name"], component.get("version", "")) for component in document["components"]
    )


def read_spdx(document: dict[str, Any]) -> tuple[str, dict[str, set[str]]]:
    """Return which image an SPDX document is of, and the versions that it lists by package."""
    image = next(package for package in document["packages"] if package.get("primaryPackagePurpose") == "CONTAINER")
    comments = [annotation["comment"] for annotation in image["annotations"]]
    scanned = next(comment.partition("ImageID: ")[2] for comment in comments if "ImageID: " in comment)
    return scanned, versions((package["name"], package.get("versionInfo", "")) for package in document["packages"])


def versions(pairs: Any) -> dict[str, set[str]]:
    """Return the versions in pairs of name and version, by name."""
    listed: dict[str, set[str]] = {}
    for name, version in pairs:
        listed.setdefault(packages.normal(name), set()).add(version)
    return listed


if __name__ == "__main__":
    sys.exit(main())
