"""Typed reads of environment variables that collect every problem, and what of them must not reach production.

`settings.py` passes the variables in, and raises the problems together. Each has an id that `docs/errors.md` explains.
The value of a secret never stands in a problem.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from django.core.exceptions import ImproperlyConfigured

# The passwords that every attacker tries first, and that of `.env.dev`.
DEFAULT_PASSWORDS = {
    "postgres",
    "postgresql",
    "password",
    "passwd",
    "admin",
    "root",
    "test",
    "secret",
    "changeme",
    "change-me",
    "change_me",
    "onestep",
    "123456",
    "12345678",
}
SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")
ORIGIN = re.compile(r"https?://(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
ADDRESS = re.compile(r"([A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")

# The form that a database URL must have: stricter than libpq, which reads `u:pa/ss@host/db` as the host `u` with the
# port `pa`. A reserved character that is not encoded never matches, so no such URL is taken for another one.
_PART = r"(?:[^:/?#\[\]@%\s]|%[0-9A-Fa-f]{2})"
DATABASE_URL = re.compile(
    rf"postgres(?:ql)?://(?:(?P<user>{_PART}+)(?::{_PART}*)?@)?(?:[^:/?#\[\]@%\s,]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d+))?"
    rf"(?:/(?P<name>{_PART}*))?(?:\?[^\s#]*)?"
)
URL_FORM = "postgresql://USER:PASSWORD@HOST:PORT/NAME"
ENCODE = (
    "In a URL a user's name and password need @ : / % # ? [ ] and spaces percent-encoded: %40 is @. "
    "`python3 -c \"import urllib.parse; print(urllib.parse.quote(input(), safe=''))\"` encodes what is typed into it."
)


class Environment:
    """Reads variables, and notes what is wrong with them instead of stopping at the first."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.problems: list[str] = []
        self._faulty: set[str] = set()

    def problem(self, error_id: str, name: str, what: str, todo: str) -> None:
        """Note that the variable `name` is wrong: what it is, and what to do."""
        self.problems.append(f"onestep.{error_id} {name}: {what}\n    {todo}")
        self._faulty.add(name.removesuffix("_FILE"))

    def faulty(self, *names: str) -> bool:
        """Return whether a problem was noted for one of the variables, so that what follows from it is not another."""
        return not self._faulty.isdisjoint(names)

    def raise_problems(self) -> None:
        """Raise ImproperlyConfigured with all problems, if there are any."""
        if self.problems:
            count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            raise ImproperlyConfigured(
                f"OneStep cannot start: {count} in the environment (docs/errors.md explains each id).\n{listed}"
            )

    def text(self, name: str, default: str = "") -> str:
        """Return the variable, or the default where it is unset or empty (Compose passes an unset one as empty)."""
        return self.variables.get(name) or default

    def secret(self, name: str, default: str = "") -> str:
        """Return NAME, or the content of the file that NAME_FILE names less one trailing newline."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name, default)
        if self.text(name):
            self.problem("E003", name, f"{name} and {name}_FILE are both set.", "Keep one of the two.")
            return default
        try:
            value = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.problem(
                "E004",
                f"{name}_FILE",
                f"the file {path} cannot be read: {reason}.",
                f"Create the file with the secret in it, readable by user id {os.getuid()}, or set {name} instead.",
            )
            return default
        return value.removesuffix("\n").removesuffix("\r") or default

    def _typed(self, name: str, default: Any, parse: Callable[[str], Any], expected: str) -> Any:
        raw = self.text(name).strip()
        if not raw:
            return default
        try:
            return parse(raw)
        except (ValueError, KeyError):
            self.problem("E002", name, f"{raw!r} is not {expected}.", f"Set {name} to {expected}, or leave it out.")
            return default

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return a switch: 1, true, yes or on; 0, false, no or off."""
        return bool(self._typed(name, default, lambda raw: SWITCHES[raw.lower()], f"one of {', '.join(SWITCHES)}"))

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`."""

        def parse(raw: str) -> int:
            if not re.fullmatch(r"[0-9]{1,18}", raw) or not least <= int(raw) <= most:
                raise ValueError(raw)
            return int(raw)

        return int(self._typed(name, default, parse, f"a whole number from {least} to {most}"))

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Return one of the words `choices`, in capitals."""
        words = {word: word for word in choices}
        return str(self._typed(name, default, lambda raw: words[raw.upper()], f"one of {', '.join(choices)}"))

    def address(self, name: str, default: str) -> str:
        """Return an address to listen on, as HOST:PORT."""

        def parse(raw: str) -> str:
            match = ADDRESS.fullmatch(raw)
            if not match or not 1 <= int(match["port"]) <= 65535:
                raise ValueError(raw)
            return raw

        return str(self._typed(name, default, parse, "HOST:PORT, such as 0.0.0.0:8000"))

    def items(self, name: str, pattern: re.Pattern[str], what: str, todo: str) -> list[str]:
        """Return a list that is separated by commas, each item of the pattern's form."""
        items = [item.strip() for item in self.text(name).split(",") if item.strip()]
        for item in items:
            if not pattern.fullmatch(item):
                # What has a user and a password in front of its host is not shown.
                shown = "an item" if "@" in item else repr(item)
                self.problem("E002", name, f"{shown} is not {what}.", todo)
        return items

    def origins(self, name: str) -> list[str]:
        """Return a list of web origins: scheme and host, without a path."""
        todo = "Give scheme and host without a path, separated by commas: https://app.example.org"
        return self.items(name, ORIGIN, "an origin", todo)


def read_secret_key(environment: Environment, *, debug: bool) -> str:
    """Return SECRET_KEY. Outside development it must be there, and be strong."""
    key = environment.secret("SECRET_KEY", "development-only-key-never-for-production" if debug else "")
    if debug or environment.faulty("SECRET_KEY"):
        return key
    make = '`python3 -c "import secrets; print(secrets.token_urlsafe(64))"` makes one.'
    if not key:
        environment.problem("E001", "SECRET_KEY", "it is not set.", f"Set SECRET_KEY or SECRET_KEY_FILE; {make}")
    elif weak(key):
        environment.problem(
            "E005",
            "SECRET_KEY",
            "it is too weak: shorter than 50 characters, of fewer than 5 different ones, or a development key.",
            f"Set a strong one; {make}",
        )
    return key


def weak(key: str) -> bool:
    """Return whether a secret key is one that Django's deployment check warns of, or a key for development."""
    return len(key) < 50 or len(set(key)) < 5 or key.startswith(("django-insecure-", "development"))


def read_secret_key_fallbacks(environment: Environment, *, debug: bool) -> list[str]:
    """Return the keys, separated by commas, that were SECRET_KEY before and are still taken."""
    keys = [key for key in environment.secret("SECRET_KEY_FALLBACKS").split(",") if key]
    if not debug and any(weak(key) for key in keys):
        environment.problem(
            "E005",
            "SECRET_KEY_FALLBACKS",
            "a key in it is too weak.",
            "Take it out: what was signed with it is then refused, and users log in again.",
        )
    return keys


def read_allowed_hosts(environment: Environment, *, debug: bool) -> list[str]:
    """Return the host names that requests may ask for. Outside development there must be some, and not any."""
    todo = "Give host names without scheme and port, separated by commas: api.example.org"
    hosts = environment.items("ALLOWED_HOSTS", HOST, "a host name", todo)
    if debug:
        return hosts or ["localhost", "127.0.0.1", "[::1]"]
    if not hosts:
        environment.problem("E006", "ALLOWED_HOSTS", "it is empty, so every request would be refused.", todo)
    elif "*" in hosts:
        environment.problem(
            "E010", "ALLOWED_HOSTS", "it allows every host name, so links in answers can be forged.", todo
        )
    return hosts


def read_database(environment: Environment, *, debug: bool) -> dict[str, Any]:
    """Return the database's address from DATABASE_URL, or from POSTGRES_* with DB_HOST and DB_PORT.

    The keys are those of Django's DATABASES; OPTIONS has the parameters that stand in the URL after a question mark.
    """
    names = {
        "NAME": "POSTGRES_DB",
        "USER": "POSTGRES_USER",
        "PASSWORD": "POSTGRES_PASSWORD",
        "HOST": "DB_HOST",
        "PORT": "DB_PORT",
    }
    parts = {key: environment.text(name) for key, name in names.items()} | {
        "PASSWORD": environment.secret("POSTGRES_PASSWORD"),
        "PORT": str(environment.integer("DB_PORT", 0, least=1, most=65535) or ""),
    }
    defaults = {"NAME": "onestep", "USER": "postgres", "PASSWORD": "", "HOST": "db", "PORT": "5432"}
    url = environment.secret("DATABASE_URL")
    found, options = _parse_url(environment, url) if url else ({}, {})
    conflicts = [names[key] for key, value in found.items() if value and parts[key] and parts[key] != value]
    if conflicts:
        environment.problem(
            "E008",
            "DATABASE_URL",
            f"it says something else than {', '.join(conflicts)}.",
            "Give the database's address once: by DATABASE_URL, or by POSTGRES_DB, POSTGRES_USER, POSTGRES_PASSWORD, "
            f"DB_HOST and DB_PORT. {ENCODE}",
        )
    address = {key: found.get(key) or parts[key] or default for key, default in defaults.items()}
    if not debug and not environment.faulty("DATABASE_URL", "POSTGRES_PASSWORD"):
        _refuse_default_password(environment, address, name="DATABASE_URL" if found else "POSTGRES_PASSWORD")
    return address | {"OPTIONS": options}


def read_metrics_bind(environment: Environment, *, bind: str) -> str:
    """Return METRICS_BIND, which is to be a port of its own: what serves clients shows them no metrics."""
    address = environment.address("METRICS_BIND", "")
    if address and address.rpartition(":")[2] == bind.rpartition(":")[2]:
        environment.problem(
            "E055",
            "METRICS_BIND",
            "it is the port of BIND, which clients reach.",
            "Give a port of its own: 0.0.0.0:9464",
        )
    return address


def read_pooler(environment: Environment) -> tuple[str, str]:
    """Return the address of PgBouncer's console, empty where there is none to ask, and the password of its user."""
    address = environment.address("PGBOUNCER_ADMIN", "")
    password = environment.secret("PGBOUNCER_STATS_PASSWORD")
    if address and not password and not environment.faulty("PGBOUNCER_STATS_PASSWORD"):
        environment.problem(
            "E001",
            "PGBOUNCER_STATS_PASSWORD",
            "it is not set, and PGBOUNCER_ADMIN is.",
            "Give the password of PgBouncer's user `stats`, or leave PGBOUNCER_ADMIN out.",
        )
    return address, password


def _parse_url(environment: Environment, url: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the URL's parts by Django's names, and its further parameters; both empty where it is not a good one.

    It is parsed by libpq itself, so it means here what it means to psql:
    https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
    """
    wrong = None
    match = DATABASE_URL.fullmatch(url)
    if not url.startswith(("postgres://", "postgresql://")):
        wrong = "it does not begin with postgresql://."
    elif not match:
        wrong = f"it is not of the form {URL_FORM}, or a character in it is not encoded."
    elif match["port"] and not 1 <= int(match["port"]) <= 65535:
        wrong = "its port is not a whole number from 1 to 65535."
    elif not match["user"] or not match["name"]:
        wrong = "it names no user or no database."
    if wrong:
        environment.problem("E009", "DATABASE_URL", wrong, f"Write {URL_FORM}. {ENCODE}")
        return {}, {}
    try:
        dsn = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        # libpq's words are not shown: they quote the URL.
        environment.problem(
            "E009",
            "DATABASE_URL",
            "it has a parameter that PostgreSQL does not know, or an encoding that it does not allow.",
            f"Write {URL_FORM}, and after ? only parameters of libpq, such as sslmode=require. {ENCODE}",
        )
        return {}, {}
    found = {
        "NAME": dsn.pop("dbname"),
        "USER": dsn.pop("user"),
        "PASSWORD": dsn.pop("password", ""),
        "HOST": dsn.pop("host", ""),
        "PORT": dsn.pop("port", "5432"),
    }
    return found, dsn


def _refuse_default_password(environment: Environment, address: Mapping[str, str], *, name: str) -> None:
    """Note a problem where the database has no password, or one that anybody would try."""
    password = address["PASSWORD"]
    if not password:
        environment.problem(
            "E001",
            name,
            "the database's password is not set.",
            "Set POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE or DATABASE_URL.",
        )
    elif password.lower() in DEFAULT_PASSWORDS | {address["USER"].lower(), address["NAME"].lower()}:
        environment.problem(
            "E007",
            name,
            "the database's password is a default one.",
            'Change it; `python3 -c "import secrets; print(secrets.token_urlsafe(32))"` makes one.',
        )
