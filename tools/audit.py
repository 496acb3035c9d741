"""Audit the dependencies: known vulnerabilities of all that poetry.lock names, and the licences that production runs.

Run by `nox -s audit`, in an environment that has production's packages. trivy reads poetry.lock with the database and
the rules of `nox -s image_scan`: so a vulnerable tool is seen too, and a vulnerable package before it is in an image.
(pip-audit would ask services on the internet, which know the same advisories.)
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from tools import exceptions, images, licences, packages
from tools.outcome import Outcome
from tools.scan import IGNORE, ROOT, provide
from tools.trivy import Trivy, TrivyError, find


def main() -> int:
    """Audit what the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lock", type=Path, default=ROOT / "poetry.lock", help="default: poetry.lock")
    options = parser.parse_args()
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="onestep-audit-") as work:
        folder = Path(work).resolve()
        try:
            trivy = find(folder)
            print(f"trivy {trivy.version} ({trivy.origin})")
            audit(trivy, options.lock, outcome)
        except TrivyError as error:
            outcome.failures.append(str(error))
        images.REPORTS.mkdir(exist_ok=True)
        for report in (*folder.glob("audit-*.json"), *folder.glob("audit-*.sarif")):
            shutil.copyfile(report, images.REPORTS / report.name)
    return outcome.close(images.REPORTS / "audit.json")


def audit(trivy: Trivy, lock: Path, outcome: Outcome) -> None:
    """Scan the lock file, then the licences of what is installed. Raises TrivyError where either cannot be scanned."""
    ignore_file = ROOT / ".trivyignore.yaml"
    excused = exceptions.read(ignore_file)
    outcome.failures += excused.problems
    provide(trivy.folder, ignore_file, excused)

    (trivy.folder / "lock").mkdir()
    shutil.copyfile(lock, trivy.folder / "lock/poetry.lock")
    if outcome.scanners(trivy, "The dependencies were"):
        scanned = ("--scanners=vuln", "--include-dev-deps", "lock")
        outcome.judge(
            "The packages in poetry.lock", trivy.scan("fs", *scanned, report="audit-lock", ignore_file=IGNORE)
        )

    # The names and licences alone, since a trivy in a container sees nothing outside its folder.
    for metadata in Path(sysconfig.get_path("purelib")).glob("*.dist-info/METADATA"):
        copy = trivy.folder / "installed" / metadata.parent.name / "METADATA"
        copy.parent.mkdir(parents=True)
        shutil.copyfile(metadata, copy)
    report = trivy.scan("rootfs", "--scanners=license", "installed", report="audit-licences", ignore_file=IGNORE)
    locked = packages.locked()
    found = {package["Name"]: package for result in report["Results"] for package in result.get("Packages") or []}
    production = {name: package for name, package in found.items() if packages.normal(name) in locked}
    print(f"\nLicences of the {len(production)} packages that production runs:")
    for name, package in sorted(production.items()):
        licence = package.get("Licenses") or []
        print(f"  {name} {package['Version']}: {' AND '.join(licence)}")
        if problem := licences.problem(name, licence):
            outcome.failures.append(problem)
    if missing := packages.named() - {packages.normal(name) for name in production}:
        outcome.failures.append(f"The licences of {', '.join(sorted(missing))} were not seen: they are not installed.")
    outcome.failures += licences.problems_of_policy(set(production))


if __name__ == "__main__":
    sys.exit(main())
