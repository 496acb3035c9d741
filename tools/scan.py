"""Scan the built image, the Dockerfiles and the repository, and refuse what must not be released.

    python -m tools.scan                                  everything, of the image that `nox -s image_build` built
    python -m tools.scan --only image --image ID          that image: vulnerabilities, secrets, settings, licences
    python -m tools.scan --only updates --image ID        that image: what is newer than what it runs
    python -m tools.scan --only files --dockerfile FILE   that Dockerfile, and the repository (`--repository FOLDER`)

The exit code is 1 where something found stops a release or could not be looked at. `reports/scan.json` says which image
it was and what came of it; beside it are trivy's own reports as JSON and SARIF.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools import exceptions, images, repository, updates
from tools.outcome import Outcome
from tools.trivy import Trivy, TrivyError, find

ROOT = Path(__file__).resolve().parent.parent
IGNORE, SECRET_RULES = "ignore.yaml", "secret-rules.yaml"  # as trivy finds them in its folder


def main() -> int:
    """Scan what the command line names; return the exit code."""
    options = arguments()
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="onestep-scan-") as work:
        folder = Path(work).resolve()
        try:
            scan(folder, options, outcome)
        except (TrivyError, images.ImageError) as error:
            outcome.failures.append(str(error))
        options.reports.mkdir(exist_ok=True)
        for report in (*folder.glob("scan-*.json"), *folder.glob("scan-*.sarif")):
            shutil.copyfile(report, options.reports / report.name)
    return outcome.close(options.reports / "scan.json")


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tools.scan", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image", help="an image's id or name (default: the one that was built)")
    parser.add_argument("--dockerfile", type=Path, action="append", help="default: each Dockerfile in docker/")
    parser.add_argument("--repository", type=Path, default=ROOT, help="default: this one")
    parser.add_argument("--ignore-file", type=Path, help="default: the repository's .trivyignore.yaml")
    parser.add_argument("--reports", type=Path, default=images.REPORTS, help="default: reports/")
    parser.add_argument("--only", choices=["image", "updates", "files"], action="append", help="default: all three")
    return parser.parse_args()


def scan(folder: Path, options: argparse.Namespace, outcome: Outcome) -> None:
    """Look at each part. Raises TrivyError or ImageError where one could not be looked at."""
    parts = options.only or ["files", "image", "updates"]
    ignore_file = options.ignore_file or options.repository / ".trivyignore.yaml"
    excused = exceptions.read(ignore_file)
    print(f"Exceptions in {ignore_file.name}: {excused.count}")
    outcome.failures += excused.problems
    if set(parts) & {"files", "image"}:
        trivy = find(folder)
        print(f"trivy {trivy.version} ({trivy.origin})")
        outcome.facts["trivy"] = trivy.version
        provide(folder, ignore_file, excused)
    if "files" in parts:
        scan_files(trivy, options, outcome)
    if set(parts) & {"image", "updates"}:
        image = images.identify(options.image) if options.image else images.built()
        outcome.facts["image"] = image
    if "image" in parts:
        scan_image(trivy, image, outcome)
    if "updates" in parts:
        look_for_updates(image, excused.updates, outcome)


def provide(folder: Path, ignore_file: Path, excused: exceptions.Exceptions) -> None:
    """Give trivy the exceptions and our rules for secrets. No exception holds of a file that is not right."""
    shutil.copyfile(ROOT / "tools/secret-rules.yaml", folder / SECRET_RULES)
    (folder / IGNORE).touch()
    if ignore_file.exists() and not excused.problems:
        shutil.copyfile(ignore_file, folder / IGNORE)


def scan_files(trivy: Trivy, options: argparse.Namespace, outcome: Outcome) -> None:
    """Scan the Dockerfiles for misconfiguration, and all that the repository ever held for secrets."""
    dockerfiles = options.dockerfile or sorted((options.repository / "docker").glob("*Dockerfile"))
    for number, dockerfile in enumerate(dockerfiles):
        copy = trivy.folder / f"dockerfile-{number}" / "Dockerfile"
        copy.parent.mkdir()
        shutil.copyfile(dockerfile, copy)
        report = trivy.scan("config", copy.parent.name, report=f"scan-dockerfile-{number}", ignore_file=IGNORE)
        outcome.judge(f"{dockerfile}, misconfiguration", report)
    repository.stage(options.repository, trivy.folder / "repository")
    scanned = ("--scanners=secret", f"--secret-config={SECRET_RULES}", "repository")
    report = trivy.scan("fs", *scanned, report="scan-repository", ignore_file=IGNORE)
    outcome.judge("The repository and its history, secrets", report)
    if (options.repository / ".git").exists() and repository.is_shallow(options.repository):
        outcome.concern("This clone is shallow: its older history was not scanned (git fetch --unshallow).")


def scan_image(trivy: Trivy, image: str, outcome: Outcome) -> None:
    """Scan an image for vulnerabilities, secrets, misconfiguration and licences.

    Without a database of vulnerabilities the others are looked for all the same.
    """
    outcome.facts["configuration"] = images.save(image, trivy.folder / images.ARCHIVE)
    common = [f"--input={images.ARCHIVE}", f"--secret-config={SECRET_RULES}"]
    common.append("--image-config-scanners=misconfig,secret")
    kinds = [*outcome.scanners(trivy, "The image was"), "secret", "license"]
    try:
        report = trivy.scan("image", f"--scanners={','.join(kinds)}", *common, report="scan-image", ignore_file=IGNORE)
    except TrivyError as error:
        if "vuln" not in kinds:
            raise
        outcome.failures.append(f"The image was not scanned for vulnerabilities: {error}")
        report = trivy.scan("image", "--scanners=secret,license", *common, report="scan-image", ignore_file=IGNORE)
    outcome.judge(f"The image {image}", report)
    outcome.facts["scanned"] = report["Metadata"]["ImageID"]
    if outcome.facts["scanned"] != outcome.facts["configuration"]:
        outcome.failures.append(f"trivy scanned {outcome.facts['scanned']}, not {outcome.facts['configuration']}.")


def look_for_updates(image: str, excused: frozenset[str], outcome: Outcome) -> None:
    """Refuse pending security updates of Debian; print other updates and newer patches of Python packages."""
    try:
        security, others = updates.debian(image)
    except updates.SourceError as error:
        outcome.need_answer(f"Whether Debian has security updates for the image is not known: {error}")
    else:
        print(
            f"\nDebian updates pending: {len(security)} of security, {len(others)} others {', '.join(others)}".rstrip()
        )
        for update in security:
            text = f"The image lacks a security update of Debian: {update}."
            if update.partition(" ")[0] in excused:
                outcome.warnings.append(text)
            else:
                outcome.failures.append(
                    f"{text} Build with --pull --no-cache. Where the base image does not have it yet, an entry under "
                    "`updates` in .trivyignore.yaml excuses it for a while."
                )
    try:
        newer = updates.patches(updates.installed(image))
    except updates.SourceError as error:
        outcome.need_answer(f"Whether there are newer patches of the image's Python packages is not known: {error}")
    else:
        print(f"Python packages with a newer patch of their minor version: {', '.join(newer) or 'none'}")
        outcome.facts["newer_patches"] = newer


if __name__ == "__main__":
    sys.exit(main())
