"""How the production image is built, and what is in it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import docker
import pytest

from tests.container.layers import Image, read_image
from tests.container.service import LABEL, Service, image_id
from tests.container.stack import CHECKOUT, copy_checkout, wait_until

SIZE_LIMIT = 90_000_000  # bytes that the image may add to its base
REBUILD_SECONDS = 3.0
EPOCH = 1_750_000_000
CANARY = f"canary-{secrets.token_hex(16)}"

# What a checkout may hold beside what is committed; none of it is for an image.
STRAYS = [
    ".env",
    ".env.local",
    ".git/config",
    "docker/.env",
    "secrets/password",
    "src/.env",
    "src/onestep/.env.local",
    "src/onestep/__pycache__/stray.cpython-311.pyc",
    "tests/stray.py",
]

Builder = Callable[..., str]


@pytest.fixture(scope="module")
def build() -> Iterator[Builder]:
    """Builds the production image of a folder, with options of `docker build`, and returns its id."""
    run = f"onestep-test-{secrets.token_hex(4)}"

    def build(folder: Path, *options: str) -> str:
        command = ["docker", "build", "--quiet", "--target=production", f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}"]
        # The person who builds has secrets in their shell.
        variables = {"SECRET_KEY": CANARY, "DATABASE_URL": CANARY, "POSTGRES_PASSWORD": CANARY}
        finished = subprocess.run(
            [*command, f"--label={LABEL}={run}", "--file=docker/Dockerfile", *options, "."],
            cwd=folder,
            env=os.environ | variables,
            check=False,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    yield build
    engine = docker.from_env()
    for image in engine.images.list(all=True, filters={"label": f"{LABEL}={run}"}):
        engine.images.remove(image.id, force=True)
    engine.close()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone has."""
    folder = tmp_path_factory.mktemp("clean")
    copy_checkout(folder)
    return folder


@pytest.fixture(scope="module")
def image() -> Image:
    """The image that `nox -s image_build` built."""
    return read_image(image_id())


@pytest.fixture(scope="module")
def rebuilt(build: Builder, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Image]:
    """The images of a clean checkout and of another one, with strays in it, both built without any cache.

    Nor may the first come from the cache: its layers may be of another SOURCE_DATE_EPOCH, and then have other times.
    """
    littered = tmp_path_factory.mktemp("littered")
    copy_checkout(littered)
    for name in STRAYS:
        (littered / name).parent.mkdir(parents=True, exist_ok=True)
        (littered / name).write_text(CANARY)
    return read_image(build(checkout, "--no-cache")), read_image(build(littered, "--no-cache"))


def test_two_builds_of_one_commit_give_equal_layers(rebuilt: tuple[Image, Image]) -> None:
    """At different times, from folders with different times, and whatever else lies in the folder."""
    first, second = rebuilt
    differing = [
        name
        for one, other in zip(first.layers, second.layers, strict=True)
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
    assert differing == []
    assert first.layer_ids == second.layer_ids
    assert {file.time for file in second.files.values()} == {EPOCH}


def test_build_leaves_no_secret_of_the_builder(rebuilt: tuple[Image, Image]) -> None:
    """Neither from a file beside the code nor from the shell; in no layer, not even in one that a later one covers."""
    for image in rebuilt:
        assert [name for layer in image.layers for name, file in layer.items() if CANARY.encode() in file.content] == []
        assert CANARY not in str(image.history)
        assert CANARY not in str(image.inspected)


def test_change_of_code_is_built_in_time(build: Builder, checkout: Path, measured: dict[str, float]) -> None:
    """With the cache that every build but the first has. The fastest of three: the others measure the machine."""
    build(checkout)
    module = checkout / "src/onestep/home.py"
    seconds = []
    for _ in range(3):
        module.write_text(f"{module.read_text()}\n# {secrets.token_hex(4)}\n")
        began = time.monotonic()
        build(checkout)
        seconds.append(time.monotonic() - began)
    measured["build after a change of code, fastest of 3"] = min(seconds)
    assert min(seconds) <= REBUILD_SECONDS, seconds


def test_static_files_are_those_of_the_application(image: Image, checkout: Path) -> None:
    """The builder collects them without the code. The development image has the code, and says what there is."""
    code = (
        "from django.contrib.staticfiles.finders import get_finders\n"
        "print(*(name for finder in get_finders() for name, _ in finder.list([])), sep='\\n')"
    )
    engine = docker.from_env()
    printed = engine.containers.run(
        image_id("onestep-development"),
        ["onestep", "shell", "--no-imports", "-c", code],
        environment={"DEBUG": "1"},
        network_mode="none",
        remove=True,
        volumes={str(checkout / "src"): {"bind": "/app/src", "mode": "ro"}},
    )
    engine.close()
    collected = json.loads(image.files["app/staticfiles/staticfiles.json"].content)["paths"]
    assert set(collected) == set(printed.decode().split("\n")) - {""}


def test_size_is_within_its_limit(image: Image) -> None:
    """What the layers hold, with what takes the most of it."""
    parts: dict[str, int] = {}
    for name, file in image.files.items():
        part = re.match(r"opt/onestep/lib/[^/]+/site-packages/[^/]+|[^/]+/[^/]+", name)
        parts[part.group() if part else name] = parts.get(part.group() if part else name, 0) + len(file.content)
    most = sorted(((size, part) for part, size in parts.items()), reverse=True)[:10]
    listed = "\n".join(f"  {size / 1e6:6.1f} MB  {part}" for size, part in most)
    print(f"{sum(parts.values()) / 1e6:.1f} MB over the base, of which\n{listed}")  # noqa: T201
    assert sum(parts.values()) <= SIZE_LIMIT, listed


@pytest.mark.parametrize(
    "pattern",
    [
        r"(^|/)(gcc|cc|c\+\+|g\+\+|clang|make|ld|as)$",
        r"(^|/)(poetry|pip3?|virtualenv|nox|uv)$",
        r"site-packages/(pip|setuptools|wheel|poetry|pytest|_pytest|factory|mypy|testcontainers|playwright)(/|-|$)",
        r"(^|/)(tests/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)",
        r"(^|/)\.git",
        r"(^|/)\.env",
        r"(^|/)(\.cache|__pycache__/.*\.pyc\.\d+$)",
        r"\.(key|pem|pfx|p12)$",
        r"(^|/)(poetry\.lock|pyproject\.toml|Dockerfile|noxfile\.py)$",
    ],
    ids=["compiler", "installer", "development packages", "tests", "git", "env files", "caches", "keys", "build files"],
)
def test_image_lacks_what_a_service_never_opens(image: Image, pattern: str) -> None:
    assert [name for name in image.files if re.search(pattern, name)] == []


def test_base_brings_no_compiler_either(production: Service) -> None:
    """The pattern above sees our own layers; this one asks the whole image."""
    found = production.onestep(
        "-c",
        "for name in gcc cc g++ clang make ld poetry git; do command -v $name; done; true",
        entrypoint=["sh"],
    )
    assert (found.status, found.output) == (0, "")


def test_code_belongs_to_root_and_nobody_else_writes_it(image: Image) -> None:
    """Group 0 writes to the folders of static files, media and logs; nobody else to anything."""
    assert {file.owner for file in image.files.values()} == {(0, 0)}
    files = {name: file for name, file in image.files.items() if not file.is_link}
    assert [name for name, file in files.items() if file.mode & 0o002] == []
    writable = {"/".join(name.split("/")[:2]) for name, file in files.items() if file.mode & 0o020}
    assert writable == {"app/logs", "app/media", "app/staticfiles"}


def test_no_file_of_ours_raises_privileges(image: Image) -> None:
    """Neither setuid nor setgid."""
    assert [name for name, file in image.files.items() if file.mode & 0o6000] == []


def test_labels_say_what_it_is(image: Image) -> None:
    """By the names of the OCI image specification."""
    labels = image.inspected["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert labels[f"{prefix}title"] == "OneStep"
    assert labels[f"{prefix}description"]
    assert labels[f"{prefix}licenses"] == project["license"]
    assert labels[f"{prefix}version"] == project["version"]
    assert re.fullmatch(r"[0-9a-f]{40}", labels[f"{prefix}revision"])
    assert datetime.fromisoformat(labels[f"{prefix}created"]).tzinfo


def test_image_says_how_it_is_run(image: Image) -> None:
    """Its port, user, signal and command; and to the base's environment it adds how Python is found and run."""
    config = image.inspected["Config"]
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["User"] == "10001:0"
    assert config["StopSignal"] == "SIGTERM"
    assert (config["Entrypoint"], config["Cmd"]) == (["onestep"], ["serve"])
    added = {variable.partition("=")[0] for variable in set(config["Env"]) - set(image.base["Config"]["Env"])}
    assert added == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "REVISION"}


@pytest.mark.parametrize("uid", [10001, 1000, 2_000_000_000])
def test_any_user_of_group_0_runs_it(production: Service, uid: int) -> None:
    """It serves, and may keep files. Each has a volume of its own, since another user's would not do."""
    volume = production.engine.volumes.create(labels=production.labels)
    [web] = production.start_web(uid=uid, volumes={volume.name: {"bind": "/app/media", "mode": "rw"}})
    web.wait_until_ready()
    assert web.get("/health/ready").json()["checks"]["storage"] == {"status": "ok"}
    assert production.onestep("check_volumes", uid=uid).status == 0


def test_service_needs_no_network_but_its_databases(production: Service) -> None:
    """On the internal network alone, where nothing leads out. The engine's own health check says that it is ready."""
    container = production.create()
    container.start()

    def healthy() -> bool:
        container.reload()
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    wait_until(healthy, at_most=30)
    assert container.exec_run(["python3", "-c", "import socket; socket.getaddrinfo('pypi.org', 443)"]).exit_code != 0
