"""The matrix: every check by name, one short session each. `nox -l` lists them; arguments after `--` go to the tool.

`nox` runs what a contributor needs before a push, `nox -t check` what each change has to pass, in half an hour, and
`nox -t long` what takes an hour. The last lines are a table of times.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
REPORTS = ROOT / "reports"
# More of either with commas: ONESTEP_PYTHONS=3.11,3.12 nox -s tests. The image has the first of both.
PYTHONS = os.environ.get(
    "ONESTEP_PYTHONS", "3.11" if shutil.which("python3.11") else ".".join(map(str, sys.version_info[:2]))
)
POSTGRES_VERSIONS = os.environ.get("ONESTEP_POSTGRES_VERSIONS", "15")
PYTHON_IMAGE = "python:3.11-slim"
IMAGE_LIMIT = 90_000_000  # bytes that the production image may add to its base
DOCKERFILES = list(map(str, sorted(Path("docker").rglob("Dockerfile"))))
SHELL_SCRIPTS = [
    ".ci/run",
    "docker/lean.sh",
    "docker/db/10-roles.sh",
    "docker/pgbouncer/start",
    *map(str, sorted(Path("docker/development").iterdir())),
]

# Django reads the environment when it starts. These commands need no server: port 1 says at once that none is there.
NO_SERVER = {
    "DEBUG": "1",
    "DATABASE_URL": "postgresql://onestep:onestep@127.0.0.1:1/onestep",
    "PYTHONWARNINGS": "ignore",
}


def poetry() -> str:
    """Return the path of Poetry: beside this nox, as requirements-tools.txt installs them, or on PATH."""
    beside = Path(sys.executable).with_name("poetry")
    return str(beside) if beside.exists() else "poetry"


def install(session: nox.Session, groups: str, *, onestep: bool = True) -> None:
    """Install the groups' packages as poetry.lock has them, and OneStep itself, from this checkout."""
    requirements = str(Path(session.create_tmp()) / "requirements.txt")
    session.run(poetry(), "export", "--only", groups, "--output", requirements, external=True, silent=True)
    session.install("--no-deps", "--require-hashes", "--requirement", requirements)
    if onestep:
        environment = {"VIRTUAL_ENV": session.virtualenv.location, "POETRY_VIRTUALENVS_CREATE": "false"}
        session.run(poetry(), "install", "--quiet", "--only-root", env=environment, external=True, silent=True)


def container_tools(session: nox.Session) -> Path:
    """Return where the programs are of the one environment for all sessions that only look on from the outside."""
    folder = ROOT / ".nox/container"
    requirements = folder / "requirements.txt"
    if not (folder / "bin/python").exists():
        session.run(sys.executable, "-m", "virtualenv", "--quiet", str(folder))
    session.run(poetry(), "export", "--only", "container", "--output", str(requirements), silent=True)
    install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    session.run(*install, "--requirement", str(requirements))
    return folder / "bin"


def need_browser(session: nox.Session, tools: Path) -> None:
    """Let Playwright bring Chromium where the machine has none, on a hosted runner with the libraries that it needs."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.run(str(tools / "playwright"), "install", *(["--with-deps"] if "CI" in os.environ else []), "chromium")


def output(*command: str) -> str:
    """Return what a command prints, or nothing where it fails or is not installed."""
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def list_sessions(*tags: str) -> str:
    """Return what nox lists of the sessions with one of the tags, as JSON."""
    return output(sys.executable, "-m", "nox", "--tags", *tags, "--list", "--json")


def need_engine(session: nox.Session) -> None:
    """Stop the session with one line where no Docker engine answers."""
    if not output("docker", "version", "--format", "{{.Server.Version}}"):
        session.error(
            "This check needs a Docker engine, and none answers. Without one these work: make test, make demo."
        )


@contextmanager
def vouching(session: nox.Session) -> Iterator[None]:
    """Write down which image the session found good, where nothing in here fails: only such an image is published."""
    report = REPORTS / f"passed-{session.name}.json"
    report.unlink(missing_ok=True)
    if not (REPORTS / "images.json").exists():
        session.error("No image was built yet: nox -s image_build")
    image = json.loads((REPORTS / "images.json").read_text())["built"][0]["id"]
    yield
    if not session.posargs:
        report.write_text(json.dumps({"session": session.name, "image": image}, indent=2) + "\n")


def test_image(session: nox.Session, *files: str) -> None:
    """Run files of tests/container on the image that was built; arguments after `--` go to pytest."""
    need_engine(session)
    tools = container_tools(session)
    need_browser(session, tools)
    with vouching(session):
        session.run(str(tools / "pytest"), *(f"tests/container/{file}" for file in files), *session.posargs)


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Hold style, imports, scripts and workflows to their rules, and migrations to the models and to rollouts."""
    install(session, "main,lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", silent=True)
    session.run(poetry(), "check", "--lock", "--strict", external=True)
    session.run("shellcheck", *SHELL_SCRIPTS)
    session.run("shfmt", "--diff", "--indent", "2", "--case-indent", *SHELL_SCRIPTS)
    session.run("zizmor", "--offline", "--quiet", ".github")
    sessions = Path(session.create_tmp()) / "sessions.json"
    sessions.write_text(list_sessions("check", "long"))
    session.run("python", "-m", "tools.workflows", str(sessions))
    if shutil.which("actionlint"):
        session.run("actionlint", external=True)
    else:
        session.warn("actionlint is not on PATH: the workflows' syntax was not checked (github.com/rhysd/actionlint).")
    session.run("onestep", "makemigrations", "--check", "--dry-run", env=NO_SERVER)
    session.run("python", "-m", "tools.migrations", env=NO_SERVER)
    session.run("onestep", "check", "--deploy", "--fail-level", "WARNING", env=production_settings())


def production_settings() -> dict[str, str]:
    """Return the environment that .env.prod makes, with a value for every reference that must have one."""
    values = {
        "SECRET_KEY": "lint-" + "0123456789abcdef" * 4,
        "POSTGRES_PASSWORD": "of-no-database",
        "ALLOWED_HOSTS": "a.example",
    }
    settings = {}
    for line in (ROOT / ".env.prod").read_text().splitlines():
        found = re.fullmatch(r"(\w+)=(?:\$\{\1:([?-]).*\}|(\w*))", line)
        if not found and line and not line.startswith("#"):
            raise ValueError(f".env.prod: neither a comment, a plain word nor a reference of the same name: {line}")
        if found:
            name, kind, word = found.groups()
            settings[name] = values.get(name, "onestep") if kind == "?" else word or ""
    return settings


@nox.session(tags=["check"])
def types(session: nox.Session) -> None:
    """Check the types of our code, strictly."""
    install(session, "main,types")
    session.run("mypy", *session.posargs, env=NO_SERVER)


@nox.session(python=PYTHONS.split(","), tags=["check"])
@nox.parametrize("postgres", POSTGRES_VERSIONS.split(","))
def tests(session: nox.Session, postgres: str) -> None:
    """Run the unit tests on a real PostgreSQL: a container's, or an embedded one where no Docker engine answers."""
    install(session, "main,demo,test")
    session.run("pytest", *(session.posargs or ["tests/unit"]), env={"POSTGRES_VERSION": postgres})


@nox.session(venv_backend="none", tags=["check", "build"])
def image_build(session: nox.Session) -> None:
    """Build both images, write down which they are, and refuse a production image that adds over 90 MB to its base."""
    need_engine(session)
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    labels = {
        "VERSION": version.group(1) if version else "",
        "REVISION": output("git", "rev-parse", "HEAD"),
        "CREATED": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    build = [
        "docker",
        "build",
        "--file",
        "docker/Dockerfile",
        *(f"--build-arg={name}={labels[name]}" for name in labels),
    ]
    for target in ("production", "development"):
        session.run(*build, f"--target={target}", f"--tag=onestep-{target}", *session.posargs, ".", external=True)
    if not output("docker", "image", "inspect", PYTHON_IMAGE):  # a build does not store its base under a name
        session.run("docker", "pull", "--quiet", PYTHON_IMAGE, external=True)

    base, *built = (inspect(image) for image in (PYTHON_IMAGE, "onestep-production", "onestep-development"))
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "images.json").write_text(json.dumps({"base": base, "built": built}, indent=2) + "\n")
    session.log("What takes the most in the production image, in KB:")
    parts = "cd /opt/onestep/lib/python*/site-packages && du -sk /app/src /app/staticfiles * | sort -rn | head -n 12"
    run = ["docker", "run", "--rm", "--network=none", "--entrypoint=sh", "onestep-production", "-c", parts]
    session.run(*run, external=True)
    for image in built:
        session.log(
            f"{image['name']} adds {(image['size'] - base['size']) / 1e6:.1f} MB to {PYTHON_IMAGE}: {image['id']}"
        )
    if built[0]["size"] - base["size"] > IMAGE_LIMIT:
        session.error(f"The production image may add {IMAGE_LIMIT / 1e6:.0f} MB. The largest parts are above.")


def inspect(image: str) -> dict[str, Any]:
    """Return an image's name, id and size in bytes."""
    found = json.loads(output("docker", "image", "inspect", image))[0]
    return {"name": image, "id": found["Id"], "size": found["Size"]}


@nox.session(tags=["check"])
def image_lint(session: nox.Session) -> None:
    """Hold Dockerfiles to hadolint's rules and ours: bases by tag in one ARG, no `latest`, no root, a health check."""
    install(session, "lint", onestep=False)
    session.run("hadolint", *(session.posargs or DOCKERFILES))
    session.run("python", "-m", "tools.dockerfiles", *(session.posargs or DOCKERFILES))


@nox.session(tags=["check", "image"])
def image_scan(session: nox.Session) -> None:
    """Scan image, Dockerfiles and repository by trivy, and refuse what must not be released; ask Debian for updates."""
    need_engine(session)
    install(session, "scan", onestep=False)
    with vouching(session):
        session.run("python", "-m", "tools.scan", *session.posargs)


@nox.session(tags=["check", "image"])
def sbom(session: nox.Session) -> None:
    """Write the image's bill of materials as CycloneDX and SPDX, and hold both against poetry.lock."""
    need_engine(session)
    install(session, "scan", onestep=False)
    with vouching(session):
        session.run("python", "-m", "tools.sbom", *session.posargs)


@nox.session(tags=["check"])
def audit(session: nox.Session) -> None:
    """Refuse dependencies with a known vulnerability, a licence not allowed, or that are unused or not named."""
    install(session, "main,scan", onestep=False)
    session.run("deptry", "src", silent=True)
    session.run("python", "-m", "tools.audit", *session.posargs)


@nox.session(venv_backend="none", tags=["check"])
def smoke(session: nox.Session) -> None:
    """Start the development stack of a fresh copy as a person does, and look at it from the outside; remove it."""
    need_engine(session)
    tools = container_tools(session)
    need_browser(session, tools)
    files = ["test_development_stack.py", "test_env_files.py"]
    session.run(str(tools / "pytest"), *(f"tests/container/{file}" for file in files), *session.posargs)


@nox.session(venv_backend="none", tags=["check"])
def workflow(session: nox.Session) -> None:
    """Spend a developer's day on a fresh copy: reload, migrate, run each make target, keep a second copy beside it."""
    need_engine(session)
    tools = container_tools(session)
    session.run(str(tools / "pytest"), "tests/container/test_workflow.py", *session.posargs)


@nox.session(venv_backend="none", tags=["check", "image"])
def image_test(session: nox.Session) -> None:
    """Build the image twice and find equal layers; find in it what a service needs, root's, and nothing else."""
    test_image(session, "test_build.py")


@nox.session(venv_backend="none", tags=["check", "image"])
def startup(session: nox.Session) -> None:
    """Be ready in 5 seconds, refuse each wrong environment and database in words, stop without losing a request."""
    test_image(session, "test_start_up.py")


@nox.session(venv_backend="none", tags=["check", "image"])
def security(session: nox.Session) -> None:
    """Confine containers, networks and volumes; keep secrets out of sight; send away who guesses, forges or climbs."""
    test_image(session, "test_compose_rules.py", "test_security.py", "test_web_security.py", "test_secrets.py")


@nox.session(venv_backend="none", tags=["check", "image"])
def integration(session: nox.Session) -> None:
    """Call each resource as each role, browse the pages, fetch static and media files; live a term as a client does."""
    test_image(session, "integration")


@nox.session(venv_backend="none", tags=["check", "image"])
def contract(session: nox.Session) -> None:
    """Hold the service to its OpenAPI document by a minute of made-up calls (`-- --contract-cases=20000`: of many)."""
    test_image(session, "test_contract.py")


@nox.session(venv_backend="none", tags=["check", "image"])
def database(session: nox.Session) -> None:
    """Keep connections, few enough; outlive a database that stops, dies, hangs or is cut off, and lose nothing."""
    test_image(session, "test_database.py")


@nox.session(venv_backend="none", tags=["check", "image"])
def resources(session: nox.Session) -> None:
    """Need half the memory that a container gets, grow with no request, come back when killed; report static files."""
    test_image(session, "test_resources.py")


@nox.session(tags=["check", "image"])
def scale(session: nox.Session) -> None:
    """Migrate once, share logins, limits and load evenly among three replicas; report throughput by their number."""
    test_image(session, "test_scale.py")


# What production's files of tests are about, by their names; `production` has those that are about none of these.
SUBJECTS = {
    "balancer": ("balancer", "tls"),
    "budget": ("budget", "pool"),
    "rollout": ("rollout", "stop"),
    "backup": ("backup",),
    "restore": ("restore", "drill"),
    "faults": ("crash", "data_mount"),
    "story": ("story",),
}


def files_about(*words: str) -> list[str]:
    """Return the files of tests/container/production whose name begins with one of the words."""
    names = sorted(path.name for path in (ROOT / "tests/container/production").glob("test_*.py"))
    return [f"production/{name}" for name in names if name.startswith(tuple(f"test_{word}" for word in words))]


@nox.session(venv_backend="none", tags=["check", "image"])
def production(session: nox.Session) -> None:
    """Start production as an operator does, with secrets and roles of least rights; say in words what is not well."""
    others = files_about(*(word for words in SUBJECTS.values() for word in words))
    test_image(session, *(file for file in files_about("") if file not in others))


@nox.session(venv_backend="none", tags=["long", "image"])
def balancer(session: nox.Session) -> None:
    """Send requests to replicas that are ready and never twice; bound clients, believe no forged address, speak TLS."""
    test_image(session, *files_about(*SUBJECTS["balancer"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def budget(session: nox.Session) -> None:
    """Hold connections to the budget that a start computes, under load, a backup and a migration; survive an outage."""
    test_image(session, *files_about(*SUBJECTS["budget"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def rollout(session: nox.Session) -> None:
    """Deploy, roll back and scale under 10,000 requests and more, with none failed and no replica killed."""
    test_image(session, *files_about(*SUBJECTS["rollout"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def backup(session: nox.Session) -> None:
    """Make backups that are restored before they count, and be loud about those that fail, whatever fails."""
    test_image(session, *files_about(*SUBJECTS["backup"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def restore(session: nox.Session) -> None:
    """Restore a backup so that each table is equal, or leave everything as it was; drill that beside production."""
    test_image(session, *files_about(*SUBJECTS["restore"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def faults(session: nox.Session) -> None:
    """Try what cannot start again so often and no more, and say so; put data on the file system that is named."""
    test_image(session, *files_about(*SUBJECTS["faults"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def story(session: nox.Session) -> None:
    """Go from a fresh copy to three replicas, deploy a build under load, back up, wipe the database, and restore it."""
    test_image(session, *files_about(*SUBJECTS["story"]))


@nox.session(venv_backend="none", tags=["long", "image"])
def compatibility(session: nox.Session) -> None:
    """Run the old release on the new schema and the new one on the old, as a rollout and a rollback do."""
    test_image(session, "test_compatibility.py")


@nox.session(venv_backend="none", tags=["long", "image"])
def metrics(session: nox.Session) -> None:
    """Have Prometheus count each request of two replicas, fill the dashboard, and hear of a database that is away."""
    test_image(session, "test_metrics.py")


@nox.session(venv_backend="none", tags=["check"])
def demo(session: nox.Session) -> None:
    """Run `make demo` in a fresh clone, speak to it over HTTP, stop it with Ctrl-C, and start it again in 3 seconds."""
    tools = container_tools(session)
    session.run(str(tools / "pytest"), "tests/demo", *session.posargs)


@nox.session(python=PYTHONS.partition(",")[0], tags=["check", "image"])
def gates(session: nox.Session) -> None:
    """Seed faults in copies, and see that the session that is there for each refuses it, in words that name it."""
    need_engine(session)
    install(session, "main,lint,scan,test,container", onestep=False)
    with vouching(session):
        session.run("pytest", "tests/container/gates", *session.posargs, env={"NOX_PYTHON": sys.executable})


@nox.session(venv_backend="none", tags=["check", "reports"])
def one_image(session: nox.Session) -> None:
    """Prove that what was scanned is what was tested and what would be pushed, by the reports of the other sessions."""
    test_image(session, "test_one_image.py")


@nox.session(default=False, venv_backend="none")
def publish(session: nox.Session) -> None:
    """Push the image (`-- image REGISTRY/NAME:TAG`), but none that the matrix did not find good; or join some."""
    listed = json.loads(list_sessions("image", "reports"))
    needs = [f"--needs={entry['session']}" for entry in listed] if session.posargs[:1] == ["image"] else []
    session.run(sys.executable, "-m", "tools.publish", *session.posargs, *needs, external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the list of initiatives beside a bare WSGI application and plain DRF; print a table of ratios."""
    install(session, "main,demo,test,container")
    session.run("python", "-m", "bench.api", *session.posargs)
