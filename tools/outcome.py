"""What came of a look at an image or at dependencies: what stops a release, and what a person should know."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools import findings
from tools.trivy import Trivy, TrivyError

OLD = 7  # days after which a vulnerability database is old


@dataclass
class Outcome:
    """Failures, warnings and facts, in the order in which they came up."""

    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def judge(self, subject: str, report: dict[str, Any]) -> None:
        """Print what a report of trivy has found, and keep what stops a release."""
        found = findings.of(report)
        print(f"\n{subject}: {len(found) or 'nothing'} found")
        if found:
            findings.print_table(found)
        self.failures += [str(finding) for finding in found if finding.gates]

    def concern(self, text: str) -> None:
        """Warn, or in the hosted pipeline fail: there everything can be reached, and a release depends on it."""
        (self.failures if os.environ.get("ONESTEP_REQUIRE_FRESH_SCAN") == "1" else self.warnings).append(text)

    def need_answer(self, text: str) -> None:
        """Fail for want of an answer, or warn where the person has said to scan offline."""
        if os.environ.get("TRIVY_OFFLINE_SCAN", "").lower() in {"1", "true"}:
            self.concern(text)
        else:
            self.failures.append(f"{text}\nTo scan offline, set TRIVY_OFFLINE_SCAN=true: this is a warning then.")

    def scanners(self, trivy: Trivy, what: str) -> list[str]:
        """Return `vuln` where there is a vulnerability database, and print its date; else fail, and return none."""
        try:
            made = trivy.update_database()
        except TrivyError as error:
            self.failures.append(f"{what} not scanned for vulnerabilities, for want of a database: {error}")
            return []
        age = (datetime.now(UTC) - made).days
        print(f"Vulnerability database of {made:%Y-%m-%d %H:%M} UTC, {age} days old")
        self.facts["database"] = made.isoformat()
        if age > OLD:
            self.concern(f"The vulnerability database is {age} days old: it knows nothing found since {made:%Y-%m-%d}.")
        return ["vuln"]

    def close(self, report: Path) -> int:
        """Write the outcome into a file, print warnings and failures, and return the exit code."""
        report.parent.mkdir(exist_ok=True)
        summary = {**self.facts, "failures": self.failures, "warnings": self.warnings}
        report.write_text(json.dumps(summary, indent=2) + "\n")
        for warning in self.warnings:
            print(f"\nWarning: {warning}")
        sys.stdout.flush()
        for failure in self.failures:
            print(f"\nFailed: {failure}", file=sys.stderr)
        return 1 if self.failures else 0
