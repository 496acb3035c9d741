"""What trivy's reports say, as findings: one line each, and whether it stops a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools import licences

NO_HEALTHCHECK = "DS-0026"
ORDER = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


@dataclass(frozen=True)
class Finding:
    """Something that a scan found: of what kind, where, and what. `gates` where nothing may be released with it."""

    kind: str
    severity: str
    id: str
    where: str
    text: str
    gates: bool

    def __str__(self) -> str:
        """Return it as a sentence of an error."""
        return f"{self.kind} {self.id} ({self.severity}) in {self.where}: {self.text}"


def of(report: dict[str, Any]) -> list[Finding]:
    """Return what a report of trivy has found, the worst first."""
    found: list[Finding] = []
    checked = "Healthcheck" in report.get("Metadata", {}).get("ImageConfig", {}).get("config", {})
    for result in report.get("Results") or []:
        if result["Target"] == report["ArtifactName"]:
            result["Target"] = "the image's history"
        if checked:  # trivy reads an image's own steps alone, and misses a health check that it has from its base
            others = [it for it in result.get("Misconfigurations") or [] if it["ID"] != NO_HEALTHCHECK]
            result["Misconfigurations"] = others
        found += [*vulnerabilities(result), *secrets(result), *misconfigurations(result), *package_licences(result)]
    return sorted(found, key=lambda finding: (not finding.gates, ORDER.index(finding.severity), finding.where))


def vulnerabilities(result: dict[str, Any]) -> Iterator[Finding]:
    """Yield vulnerable packages. Those that are HIGH or CRITICAL and have a fixed version stop a release."""
    for found in result.get("Vulnerabilities") or []:
        fixed = found.get("FixedVersion")
        yield Finding(
            "vulnerability",
            found["Severity"],
            found["VulnerabilityID"],
            f"{found['PkgName']} {found['InstalledVersion']}",
            (f"fixed in {fixed}. " if fixed else "no fixed version. ") + (found.get("Title") or ""),
            gates=bool(fixed) and found["Severity"] in {"HIGH", "CRITICAL"},
        )


def secrets(result: dict[str, Any]) -> Iterator[Finding]:
    """Yield secrets. Any stops a release: what is in a layer can be read, even where a later layer deletes it."""
    for found in result.get("Secrets") or []:
        layer = (found.get("Layer") or {}).get("DiffID")  # not what made it: that would print the secret
        line = f", line {found['StartLine']}" if found.get("StartLine") else ""
        yield Finding(
            "secret",
            found["Severity"],
            found["RuleID"],
            result["Target"] + line,
            found["Title"] + (f", in the layer {layer}" if layer else ""),
            gates=True,
        )


def misconfigurations(result: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is unwise in a Dockerfile or an image's settings. Any stops a release."""
    for found in result.get("Misconfigurations") or []:
        if found["Status"] == "FAIL":
            line = (found.get("CauseMetadata") or {}).get("StartLine")
            where = result["Target"] + (f", line {line}" if line else "")
            yield Finding("misconfiguration", found["Severity"], found["ID"], where, found["Message"], gates=True)


def package_licences(result: dict[str, Any]) -> Iterator[Finding]:
    """Yield the Python packages whose licence is not allowed. The base image's Debian packages are taken as they are.

    A package without a file is one that trivy read from another package's list of what it contains.
    """
    if result.get("Class") == "lang-pkgs":
        for package in result.get("Packages") or []:
            if package.get("FilePath") and (
                problem := licences.problem(package["Name"], package.get("Licenses") or [])
            ):
                yield Finding("licence", "HIGH", "not-allowed", package["Name"], problem, gates=True)


def print_table(findings: list[Finding]) -> None:
    """Print findings as a table that fits 120 columns, those that stop a release first."""
    rows = [("", "kind", "severity", "id", "where", "what")]
    rows += [("!" if it.gates else " ", it.kind, it.severity, it.id, it.where, it.text) for it in findings]
    widths = [min(max(len(row[column]) for row in rows), 40) for column in range(5)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[5][: max(40, 112 - sum(widths))]]).rstrip())
