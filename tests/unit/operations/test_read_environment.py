"""The environment: what stops the start, in which words, and that any password works."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg2
import psycopg2.sql
import pytest
from django.core.exceptions import ImproperlyConfigured

from onestep.environment import Environment, read_database
from tests.unit.operations.commands import address, run_onestep

KEY = "Zk3v9QwX1tYbR7mNc5LpHs8DfGj2VaUe4KiOxTyWqBnMzCrSdPl6"
GOOD = {
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "api.example.org",
    "POSTGRES_PASSWORD": "9fVx-long-and-random",
    "NUM_PROXIES": "1",
}
URL = "postgresql://ann:9fVx-long-and-random@db.example.org:5433/service"


def ids(output: str) -> list[str]:
    """Return the problems that the output lists, as `id NAME`."""
    return [f"{number} {name}" for number, name in re.findall(r"^  onestep\.(E\d{3}) (\w+):", output, re.MULTILINE)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # What must not reach production.
        ({"SECRET_KEY": ""}, ["E001 SECRET_KEY"]),
        ({"SECRET_KEY": "short"}, ["E005 SECRET_KEY"]),
        ({"SECRET_KEY": "abcd" * 20}, ["E005 SECRET_KEY"]),
        ({"SECRET_KEY": "django-insecure-" + KEY}, ["E005 SECRET_KEY"]),
        ({"SECRET_KEY": "development-" + KEY}, ["E005 SECRET_KEY"]),
        ({"SECRET_KEY_FALLBACKS": f"{KEY},short"}, ["E005 SECRET_KEY_FALLBACKS"]),
        ({"ALLOWED_HOSTS": ""}, ["E006 ALLOWED_HOSTS"]),
        ({"ALLOWED_HOSTS": " , "}, ["E006 ALLOWED_HOSTS"]),
        ({"ALLOWED_HOSTS": "api.example.org,*"}, ["E010 ALLOWED_HOSTS"]),
        ({"POSTGRES_PASSWORD": ""}, ["E001 POSTGRES_PASSWORD"]),
        ({"POSTGRES_PASSWORD": "Postgres"}, ["E007 POSTGRES_PASSWORD"]),
        ({"POSTGRES_PASSWORD": "ann-smith", "POSTGRES_USER": "ann-smith"}, ["E007 POSTGRES_PASSWORD"]),
        ({"POSTGRES_PASSWORD": "", "DATABASE_URL": "postgresql://ann@db/service"}, ["E001 DATABASE_URL"]),
        (
            {"POSTGRES_PASSWORD": "", "DATABASE_URL": "postgresql://ann:change%2Dme@db/service"},
            ["E007 DATABASE_URL"],
        ),
        # Values that are not of their type.
        ({"DEBUG": "maybe"}, ["E002 DEBUG"]),
        ({"HTTPS": "2"}, ["E002 HTTPS"]),
        ({"DB_PORT": "tcp://10.0.0.7:5432"}, ["E002 DB_PORT"]),
        ({"DB_PORT": "0"}, ["E002 DB_PORT"]),
        ({"WEB_WORKERS": "many"}, ["E002 WEB_WORKERS"]),
        ({"WEB_THREADS": "-1"}, ["E002 WEB_THREADS"]),
        ({"NUM_PROXIES": "1.5"}, ["E002 NUM_PROXIES"]),
        ({"BIND": "8000"}, ["E002 BIND"]),
        ({"BIND": "0.0.0.0:70000"}, ["E002 BIND"]),
        ({"LOG_LEVEL": "chatty"}, ["E002 LOG_LEVEL"]),
        ({"ALLOWED_HOSTS": "https://api.example.org"}, ["E002 ALLOWED_HOSTS"]),
        ({"ALLOWED_HOSTS": "api.example.org:8000"}, ["E002 ALLOWED_HOSTS"]),
        ({"CSRF_TRUSTED_ORIGINS": "api.example.org"}, ["E002 CSRF_TRUSTED_ORIGINS"]),
        ({"CORS_ALLOWED_ORIGINS": "https://a.example.org/,ftp://b.example.org"}, ["E002 CORS_ALLOWED_ORIGINS"] * 2),
        # Secrets from files.
        ({"SECRET_KEY_FILE": "/nowhere/key"}, ["E003 SECRET_KEY"]),
        ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/nowhere/key"}, ["E004 SECRET_KEY_FILE"]),
        ({"POSTGRES_PASSWORD": "", "POSTGRES_PASSWORD_FILE": "/etc"}, ["E004 POSTGRES_PASSWORD_FILE"]),
        ({"DATABASE_URL": URL, "DATABASE_URL_FILE": "/nowhere/url"}, ["E003 DATABASE_URL"]),
        # The database's address twice.
        ({"DATABASE_URL": URL, "POSTGRES_DB": "another"}, ["E008 DATABASE_URL"]),
        ({"DATABASE_URL": URL, "DB_HOST": "db", "DB_PORT": "5432"}, ["E008 DATABASE_URL"]),
        ({"DATABASE_URL": URL, "POSTGRES_PASSWORD": "Another-one-9"}, ["E008 DATABASE_URL"]),
        # A URL that is none.
        ({"DATABASE_URL": "mysql://ann:x@db/service"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "host=db dbname=service"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "postgresql://db/service"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "postgresql://ann:9fVx@db"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "postgresql://ann:9fVx@db:99999/service"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "postgresql://ann:9fVx@a:1,b:2/service"}, ["E009 DATABASE_URL"]),
        ({"DATABASE_URL": "postgresql://ann:9fVx@db/service?tls=on"}, ["E009 DATABASE_URL"]),
        # All at once.
        (
            {"SECRET_KEY": "", "ALLOWED_HOSTS": "", "POSTGRES_PASSWORD": "admin", "HTTPS": "si", "WEB_WORKERS": "0"},
            ["E001 SECRET_KEY", "E006 ALLOWED_HOSTS", "E002 HTTPS", "E007 POSTGRES_PASSWORD", "E002 WEB_WORKERS"],
        ),
    ],
)
def test_read_environment_refuses(changes: Mapping[str, str], expected: list[str]) -> None:
    """The start ends with 78, exactly these problems, what to do for each, and neither a traceback nor a secret."""
    result = run_onestep("check", variables={**GOOD, "DEBUG": "0", **changes})
    assert result.returncode == 78
    assert result.stdout == ""
    assert ids(result.stderr) == expected
    lines = result.stderr.splitlines()
    count = f"{len(expected)} problem{'s' if len(expected) > 1 else ''}"
    assert lines[0] == f"OneStep cannot start: {count} in the environment (docs/errors.md explains each id)."
    assert len(lines) == 1 + 2 * len(expected)
    for secret in (KEY, "9fVx", "change%2Dme", "ann-smith"):
        assert secret not in result.stderr


def test_read_environment_in_words() -> None:
    result = run_onestep("check", variables={**GOOD, "ALLOWED_HOSTS": "", "DATABASE_URL": "postgresql://ann:p@ss@db/x"})
    assert result.stderr == (
        "OneStep cannot start: 2 problems in the environment (docs/errors.md explains each id).\n"
        "  onestep.E006 ALLOWED_HOSTS: it is empty, so every request would be refused.\n"
        "    Give host names without scheme and port, separated by commas: api.example.org\n"
        "  onestep.E009 DATABASE_URL: it is not of the form postgresql://USER:PASSWORD@HOST:PORT/NAME, or a character "
        "in it is not encoded.\n"
        "    Write postgresql://USER:PASSWORD@HOST:PORT/NAME. In a URL a user's name and password need "
        '@ : / % # ? [ ] and spaces percent-encoded: %40 is @. `python3 -c "import urllib.parse; '
        "print(urllib.parse.quote(input(), safe=''))\"` encodes what is typed into it.\n"
    )


@pytest.mark.parametrize("variables", [GOOD, {**GOOD, "HTTPS": "0"}, {**GOOD, "DATABASE_URL": URL}])
def test_read_environment_fit_for_production(variables: Mapping[str, str]) -> None:
    """With good values the start goes on; with HTTPS Django's own deployment check finds nothing either."""
    arguments = ["check", "--fail-level=WARNING", *(["--deploy"] if "HTTPS" not in variables else [])]
    result = run_onestep(*arguments, variables=variables)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("character", list("@:/%#?[] \t"))
@pytest.mark.parametrize("form", ["{0}x", "1{0}2", "x{0}", "1{0}2@3{0}4"])
def test_read_environment_refuses_unencoded_url(character: str, form: str) -> None:
    """Wherever in a password it stands, a reserved character gives E009, and never another password or host."""
    environment = Environment({"DATABASE_URL": f"postgresql://ann:{form.format(character)}@db:5433/service"})
    read_database(environment, debug=False)
    assert [problem.split(":")[0] for problem in environment.problems] == ["onestep.E009 DATABASE_URL"]
    with pytest.raises(ImproperlyConfigured, match=r"percent-encoded: %40 is @"):
        environment.raise_problems()


def test_read_environment_from_file(tmp_path: Path) -> None:
    """One trailing newline is stripped, and nothing else."""
    file = tmp_path / "password"
    for content, password in {"x": "x", "x\n": "x", "x\r\n": "x", " x \n\n": " x \n", "$a#\n": "$a#"}.items():
        file.write_bytes(content.encode())
        assert Environment({"P_FILE": str(file)}).secret("P") == password


PASSWORDS = [
    "$@:/%#?[]",
    "p@ss:w/rd",
    "100%41",
    "a#b?c",
    'it\'s "quoted"',
    "  spaces at both ends  ",
    "back\\slash\\",
    "$HOME ${X} $$ `id` $(id)",
    "пароль-ñ-密码",
    "a=b&c;d,e+f",
    "/starts/with/a/slash",
    "@starts-with-an-at",
]


@pytest.fixture
def login(django_db_setup: None, django_db_blocker: object) -> Iterator[psycopg2.extensions.cursor]:
    """A role of PostgreSQL's that the test gives passwords to."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS onestep_login")
        cursor.execute("CREATE ROLE onestep_login LOGIN")
        yield cursor
        cursor.execute("DROP ROLE onestep_login")
    connection.close()


@pytest.mark.parametrize("password", PASSWORDS)
def test_read_environment_any_password(login: psycopg2.extensions.cursor, tmp_path: Path, password: str) -> None:
    """By variable, by file and by URL PostgreSQL takes the password, and says so by an answer."""
    login.execute("ALTER ROLE onestep_login PASSWORD %s", [password])
    file = tmp_path / "password"
    file.write_text(password + "\n", encoding="utf-8")
    parts = address(POSTGRES_USER="onestep_login", POSTGRES_PASSWORD=password)
    host = quote(parts["DB_HOST"], safe="")
    url = (
        f"postgresql://onestep_login:{quote(password, safe='')}@:{parts['DB_PORT']}/{parts['POSTGRES_DB']}?host={host}"
    )
    by_file = {**parts, "POSTGRES_PASSWORD": "", "POSTGRES_PASSWORD_FILE": str(file)}
    for variables in (parts, by_file, {"DATABASE_URL": url}):
        environment = Environment(variables)
        found = read_database(environment, debug=False)
        assert environment.problems == []
        assert found["PASSWORD"] == password
        connection = psycopg2.connect(
            user=found["USER"], password=found["PASSWORD"], host=found["HOST"], port=found["PORT"], dbname=found["NAME"]
        )
        assert connection.info.user == "onestep_login"
        connection.close()
