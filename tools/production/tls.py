"""What has to fit together for HTTPS, looked at before anything is started."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tools.production.mounted_files import COPY, Problem, is_readable

LOOPBACK = ("127.", "::1", "[::1]")
OFF = {"0", "false", "no", "off"}  # as onestep.environment reads HTTPS
NAMES = re.compile(r"[\w.*-]+(, [\w.*-]+)*")
USER, GROUP = 99, 99  # of the image haproxy


def tls_problems(setting: Callable[[str, str], str], folder: Path) -> list[Problem]:
    """Return what is wrong with the settings of TLS, each with an id, what is wrong and what to do.

    `folder` is the one that a relative TLS_CERTIFICATE starts from: that of compose.prod.yml.
    """
    certificate = setting("TLS_CERTIFICATE", "")
    by_caddy = "tls" in setting("COMPOSE_PROFILES", "").split(",")
    problems = certificate_problems(folder / certificate) if certificate else []
    if (certificate or by_caddy) and setting("HTTPS", "1").lower() in OFF:
        problems.append(
            (
                "E083",
                "HTTPS is off, and clients are to come by TLS: cookies and tokens could go by plain HTTP all the same.",
                "Set HTTPS=1.",
            )
        )
    if by_caddy and not setting("DOMAIN", ""):
        problems.append(("E084", "DOMAIN is empty: Caddy would not know what to get a certificate for.", "Set DOMAIN."))
    elif by_caddy and not NAMES.fullmatch(setting("DOMAIN", "")):
        what = f"DOMAIN={setting('DOMAIN', '')}: these are no names that Caddy could get a certificate for."
        problems.append(
            ("E084", what, "Give names alone, each after a comma and a space: a.example.org, b.example.org")
        )
    if by_caddy and not certificate and not setting("BIND_ADDRESS", "127.0.0.1").startswith(LOOPBACK):
        problems.append(
            (
                "E085",
                f"BIND_ADDRESS={setting('BIND_ADDRESS', '')}: the balancer would be reached past Caddy, by plain HTTP.",
                "Set BIND_ADDRESS=127.0.0.1.",
            )
        )
    return problems


def certificate_problems(file: Path) -> list[Problem]:
    """Return why the balancer could not use the file of TLS_CERTIFICATE; nothing where it could."""
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        return [("E082", f"TLS_CERTIFICATE: {file} cannot be read: {error.strerror}.", "Give the path of a PEM file.")]
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY-----" not in text:
        return [
            (
                "E082",
                f"TLS_CERTIFICATE: {file} does not have both a certificate and its key.",
                "Put both into one file: the certificate, those of the authorities between, the key.",
            )
        ]
    if not is_readable(file, USER, GROUP):
        return [("E082", f"TLS_CERTIFICATE: {file} is not readable by the balancer's user.", COPY)]
    return []
