"""What .env.dev and .env.prod say of writing values is true of Compose and of the production image."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.stack import CHECKOUT

PASSWORD = "p@ss $1 ${HOME} :/%41 #2 \"double\" 'single' end"
SECRET_KEY = secrets.token_urlsafe(64)
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The production image of this checkout, under a name of its own."""
    name = f"onestep-test-{secrets.token_hex(4)}-production"
    build = ["docker", "build", "--quiet", "--file=docker/Dockerfile", "--target=production", f"--tag={name}", "."]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)


def run(
    folder: Path, image: str, env_file: Path, command: list[str], *, values: str | None = None, **shell: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the image with `env_file`, whose references come from `values` or from the shell."""
    service = {"image": image, "env_file": str(env_file), "entrypoint": command, "network_mode": "none"}
    (folder / "compose.yml").write_text(json.dumps({"services": {"one": service}}))
    options = []
    if values is not None:
        (folder / "values.env").write_text(values)
        options = ["--env-file", "values.env"]
    project = f"onestep-test-{secrets.token_hex(4)}"
    names = {name: os.environ[name] for name in ("HOME", "PATH", "DOCKER_HOST") if name in os.environ}
    return subprocess.run(
        ["docker", "compose", "--project-name", project, *options, "run", "--rm", "--quiet-pull", "one"],
        cwd=folder,
        env=names | shell,
        check=False,
        capture_output=True,
        text=True,
    )


def environment(finished: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what the container saw."""
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_production_takes_any_password_from_the_shell(tmp_path: Path, image: str) -> None:
    """A value of the shell is taken as it stands."""
    shell = {"SECRET_KEY": SECRET_KEY, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_USER": "u", "POSTGRES_DB": "d"}
    finished = run(tmp_path, image, CHECKOUT / ".env.prod", ["python3", "-c", SHOW], ALLOWED_HOSTS="a.example", **shell)
    assert environment(finished)["POSTGRES_PASSWORD"] == PASSWORD


def test_production_takes_any_password_from_a_file(tmp_path: Path, image: str) -> None:
    r"""In single quotes nothing has a meaning, but \' is a quote."""
    quoted = PASSWORD.replace("'", r"\'")
    values = f"SECRET_KEY={SECRET_KEY}\nPOSTGRES_PASSWORD='{quoted}'\nPOSTGRES_USER=u\nPOSTGRES_DB=d\nALLOWED_HOSTS=a\n"
    finished = run(tmp_path, image, CHECKOUT / ".env.prod", ["python3", "-c", SHOW], values=values)
    assert environment(finished)["POSTGRES_PASSWORD"] == PASSWORD


@pytest.mark.parametrize(
    "missing", ["SECRET_KEY", "ALLOWED_HOSTS", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"]
)
def test_production_stops_where_a_value_is_missing(tmp_path: Path, image: str, missing: str) -> None:
    names = ["SECRET_KEY", "ALLOWED_HOSTS", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"]
    shell = {name: "given" for name in names if name != missing}
    finished = run(tmp_path, image, CHECKOUT / ".env.prod", ["python3", "-c", SHOW], **shell)
    assert finished.returncode != 0
    assert f"{missing} is not set" in finished.stderr


def test_production_passes_djangos_deployment_checks(tmp_path: Path, image: str) -> None:
    """In the image itself, with an awkward password."""
    shell = {"SECRET_KEY": SECRET_KEY, "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_USER": "u", "POSTGRES_DB": "d"}
    check = ["onestep", "check", "--deploy", "--fail-level", "WARNING"]
    finished = run(tmp_path, image, CHECKOUT / ".env.prod", check, ALLOWED_HOSTS="a.example", **shell)
    assert finished.returncode == 0, finished.stderr


def test_development_file_is_written_as_its_comment_says(tmp_path: Path, image: str) -> None:
    """The comment's example: p@ss $1 #2 in quotes, and percent-encoded with doubled dollar signs in a URL."""
    comment = (CHECKOUT / ".env.dev").read_text()
    for example in ("POSTGRES_PASSWORD='p@ss $1 #2'", "postgresql://…:p%40ss%20$$1%20%232@…"):
        assert example in comment
    written = tmp_path / "some.env"
    written.write_text("POSTGRES_PASSWORD='p@ss $1 #2'\nDATABASE_URL=postgresql://u:p%40ss%20$$1%20%232@h/d\n")
    seen = environment(run(tmp_path, image, written, ["python3", "-c", SHOW]))
    assert seen["POSTGRES_PASSWORD"] == "p@ss $1 #2"
    assert seen["DATABASE_URL"] == "postgresql://u:p%40ss%20$1%20%232@h/d"
    # Both say the same to the settings: two that differ would stop the start with onestep.E008.
    same = "DEBUG=1\nPOSTGRES_USER=u\nPOSTGRES_DB=d\nDB_HOST=h\n"
    written.write_text(written.read_text() + same)
    finished = run(tmp_path, image, written, ["onestep", "check"])
    assert finished.returncode == 0, finished.stderr


def test_committed_files_hold_no_secret() -> None:
    """.env.prod has references, plain switches and nothing else."""
    lines = [line for line in (CHECKOUT / ".env.prod").read_text().splitlines() if line and not line.startswith("#")]
    values = {name: value for name, _, value in (line.partition("=") for line in lines)}
    assert values.pop("DEBUG") == "0"
    assert all(value.startswith(f"${{{name}:") for name, value in values.items()), values
