"""The faults, each with the session that is there for it and the words by which that session has to name it.

A key is written in two parts here, since `nox -s image_scan` reads this file too, and all that it ever was.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import date
from typing import Any

from tests.container.gates.workshop import NOX, Copy, Fault, Gate
from tests.container.service import image_id

GITHUB = "ghp_" + "Gates0" * 6
GITLAB = "glpat-" + "Gates0Gates0Gates0Ga"
AWS = "AKIA" + "GATES0GATES0GATE"
STRIPE = "sk_" + "live_Gates0Gates0Gates0Gates0"

DOCKERFILE, NOTES = "docker/Dockerfile", "src/onestep/notes.txt"
DEVELOPMENT, PRODUCTION = "compose.yml", "compose.prod.yml"
VULNERABLE = "django==4.2.0"


def build_on_built_images(copy: Copy) -> None:
    """Let `image_build` make its images of those that are there, in a second, and give them names of their own."""
    stages = [f"FROM {copy.workshop.tag(target)} AS {target}\n" for target in ("development", "production")]
    copy.write(DOCKERFILE, "".join(stages))
    copy.write("noxfile.py", (copy.folder / "noxfile.py").read_text().replace("onestep-", f"{copy.workshop.name}-"))


def serve_database(copy: Copy) -> None:
    """Name a server for the unit tests, which is there already."""
    copy.environment["TEST_DATABASE_URL"] = copy.workshop.database_url()


def pass_all_sessions(copy: Copy) -> None:
    """Write down that every session has found the built image good; name a registry that is not there."""
    listed = subprocess.run(
        [*NOX, "--tags", "image", "reports", "--list", "--json"], cwd=copy.folder, check=True, capture_output=True
    )
    for session in json.loads(listed.stdout):
        name = session["session"]
        copy.write(f"reports/passed-{name}.json", json.dumps({"session": name, "image": image_id()}))
    version = copy.workshop.engine.images.get(image_id()).labels["org.opencontainers.image.version"]
    copy.arguments += ["image", f"127.0.0.1:1/{copy.workshop.name}:{version}"]


def rules_of(kind: str) -> tuple[str, ...]:
    """Return arguments for pytest: the rules of one stack, and all that they say."""
    return ("-k", f"test_{kind}_stack_keeps_the_rules", "-vv", "--tb=short")


LINT = Gate("lint")
IMAGE_LINT = Gate("image_lint")
IMAGE_BUILD = Gate("image_build", prepare=build_on_built_images)
SCAN_IMAGE = Gate("image_scan", ("--only=image",), reports_all=True)
SCAN_FILES = Gate("image_scan", ("--only=files",), reports_all=True)
AUDIT = Gate("audit")
DEVELOPMENT_RULES = Gate("security", rules_of("development"), reports_all=True)
PRODUCTION_RULES = Gate("security", rules_of("production"), reports_all=True)
OPENAPI = Gate("tests", ("tests/unit/http/test_describe_documents.py", "-k", "stored_one"), prepare=serve_database)
PUBLISH = Gate("publish", prepare=pass_all_sessions, lets_through="Failed: docker push")
GATES = [
    *(IMAGE_LINT, IMAGE_BUILD, SCAN_IMAGE, SCAN_FILES, AUDIT),
    *(DEVELOPMENT_RULES, PRODUCTION_RULES, LINT, OPENAPI, PUBLISH),
]


def change(name: str, pattern: str, new: str) -> Callable[[Copy], None]:
    """Return what replaces the first that a pattern finds in a file."""
    return lambda copy: copy.change(name, pattern, new)


def write(name: str, text: str) -> Callable[[Copy], None]:
    """Return what writes a file."""
    return lambda copy: copy.write(name, text)


def build(*steps: str, **context: str) -> Callable[[Copy], None]:
    """Return what builds steps of a Dockerfile on top of the production image, with files that they may copy."""

    def seed(copy: Copy) -> None:
        copy.steps += steps
        copy.context |= context

    return seed


def commit_and_delete(name: str, text: str) -> Callable[[Copy], None]:
    """Return what commits a file, and then that it is gone."""

    def seed(copy: Copy) -> None:
        copy.write(name, text)
        copy.git("add", name)
        copy.git("commit", "--quiet", "--message=Add a file")
        copy.git("rm", "--quiet", name)
        copy.git("commit", "--quiet", "--message=Delete it again")

    return seed


def drop_column(copy: Copy) -> None:
    """Add a migration that takes a column away from the release that is still serving."""
    folder = copy.folder / "src/onestep/people/migrations"
    last = max(path.stem for path in folder.glob("0*.py"))
    lines = [
        "from django.db import migrations\n\n",
        "class Migration(migrations.Migration):",
        f'    dependencies = [("people", "{last}")]',
        '    operations = [migrations.RunSQL("ALTER TABLE people_person DROP COLUMN phone")]\n',
    ]
    copy.write(f"src/onestep/people/migrations/{int(last[:4]) + 1:04}_drop_phone.py", "\n".join(lines))


def excuse(**entry: Any) -> Callable[[Copy], None]:
    """Return what adds an exception to the scan's ignore file."""
    return lambda copy: copy.change_yaml(
        ".trivyignore.yaml", lambda content: content.setdefault("vulnerabilities", []).append(entry)
    )


def put(file: str, service: str, key: str, value: Any) -> Callable[[Copy], None]:
    """Return what changes a key of a Compose service: a list is added to, and None takes the key away."""

    def adapt(content: Any) -> None:
        settings = content["services"][service]
        settings[key] = [*settings.get(key, []), *value] if isinstance(value, list) else value
        if value is None:
            del settings[key]

    return lambda copy: copy.change_yaml(file, adapt)


FAULTS = [
    Fault(
        "base image without a version",
        IMAGE_LINT,
        change(DOCKERFILE, r"(ARG PYTHON_IMAGE=python):\S+", r"\1"),
        "Failed: docker/Dockerfile: the base image python has no tag but `latest`",
    ),
    Fault(
        "base image `latest`",
        IMAGE_LINT,
        change(DOCKERFILE, r"(ARG PYTHON_IMAGE=python):\S+", r"\1:latest"),
        "Failed: docker/Dockerfile: the base image python:latest has no tag but `latest`",
    ),
    Fault(
        "base image `latest`, beside the ARG",
        IMAGE_LINT,
        change(DOCKERFILE, r"FROM \S+ AS builder", "FROM python:latest AS builder"),
        "DL3007 warning: Using latest is prone to errors",
    ),
    Fault(
        "image that starts as root",
        IMAGE_LINT,
        change(DOCKERFILE, r"USER 10001:0", "USER root"),
        "DL3002 warning: Last USER should not be root",
    ),
    Fault(
        "image that names no user, so that it is root",
        IMAGE_LINT,
        change(DOCKERFILE, r"USER 10001:0\n", ""),
        "Failed: docker/Dockerfile: the production stage runs as root",
    ),
    Fault(
        "image without a health check",
        IMAGE_LINT,
        change(DOCKERFILE, r"HEALTHCHECK [^\n]+\\\n[^\n]+\nUSER", "USER"),
        "Failed: docker/Dockerfile: the production stage has no HEALTHCHECK",
    ),
    Fault(
        "image over its size",
        IMAGE_BUILD,
        lambda copy: copy.write(
            DOCKERFILE, (copy.folder / DOCKERFILE).read_text() + "RUN head -c 90000000 /dev/zero >/app/media/padding\n"
        ),
        "The production image may add 90 MB",
    ),
    Fault(
        "secret in a layer that a later one deletes",
        SCAN_IMAGE,
        build("COPY token /app/media/token", "RUN rm /app/media/token", token=GITHUB),
        "Failed: secret github-pat (CRITICAL) in /app/media/token",
    ),
    Fault(
        "secret in an ARG",
        SCAN_IMAGE,
        build(f"ARG DEPLOY_TOKEN={GITLAB}"),
        "Failed: secret gitlab-pat (CRITICAL) in the image's history",
    ),
    Fault(
        "secret in an image's history",
        SCAN_IMAGE,
        build(f"RUN : {AWS}"),
        "Failed: secret aws-access-key-id (CRITICAL) in the image's history",
    ),
    Fault(
        "secret in an image's variable",
        SCAN_IMAGE,
        build(f"ENV PAYMENTS={STRIPE}"),
        "Failed: secret stripe-secret-token (CRITICAL) in the image's history",
    ),
    Fault(
        "Django 4.2.0 in an image",
        SCAN_IMAGE,
        build("USER root", f"RUN pip install --no-deps --target=/app/vendored {VULNERABLE}", "USER 10001:0"),
        "(HIGH) in Django 4.2: fixed in ",
    ),
    Fault(
        "Django 4.2.0 in poetry.lock",
        AUDIT,
        change("poetry.lock", r'(name = "django"\nversion = )"[^"]+"', r'\1"4.2.0"'),
        "(HIGH) in django 4.2.0: fixed in ",
    ),
    Fault(
        "secret in a file",
        SCAN_FILES,
        write(NOTES, GITLAB),
        f"Failed: secret gitlab-pat (CRITICAL) in now/{NOTES}",
    ),
    Fault(
        "secret in a former commit",
        SCAN_FILES,
        commit_and_delete("token.txt", GITHUB),
        "Failed: secret github-pat (CRITICAL) in history/",
    ),
    Fault(
        "exception past its date",
        SCAN_FILES,
        excuse(id="CVE-2024-0001", statement="Nothing here calls it.", expired_at=date(2024, 12, 31)),
        "Failed: .trivyignore.yaml, vulnerabilities: CVE-2024-0001 expired on 2024-12-31",
    ),
    Fault(
        "exception without a reason",
        SCAN_FILES,
        excuse(id="CVE-2024-0002", expired_at=date(2999, 12, 31)),
        "Failed: .trivyignore.yaml, vulnerabilities: CVE-2024-0002 gives no reason",
    ),
    Fault(
        "image that starts as root, as trivy sees its Dockerfile",
        SCAN_FILES,
        change(DOCKERFILE, r"USER 10001:0", "USER root"),
        "Failed: misconfiguration DS-0002 (HIGH) in Dockerfile",
    ),
    Fault(
        "published port of the database",
        DEVELOPMENT_RULES,
        put(DEVELOPMENT, "db", "ports", ["127.0.0.1:5432:5432"]),
        "db: port 5432 is published, and it is no door",
    ),
    Fault(
        "database without a health check",
        DEVELOPMENT_RULES,
        put(DEVELOPMENT, "db", "healthcheck", None),
        "db: it has no health check",
    ),
    Fault(
        "capability added back",
        DEVELOPMENT_RULES,
        put(DEVELOPMENT, "web", "cap_add", ["NET_ADMIN"]),
        "web: it has the capability NET_ADMIN",
    ),
    Fault(
        "mounted folder of the host",
        DEVELOPMENT_RULES,
        put(DEVELOPMENT, "web", "volumes", ["/etc:/host"]),
        "web: it mounts /etc of the host",
    ),
    Fault(
        "published port of the database, in production",
        PRODUCTION_RULES,
        put(PRODUCTION, "db", "ports", ["5432:5432"]),
        "db: port 5432 is published, and it is no door",
    ),
    Fault(
        "health check switched off, in production",
        PRODUCTION_RULES,
        put(PRODUCTION, "web", "healthcheck", {"disable": True}),
        "web: its health check is switched off",
    ),
    Fault(
        "capability added back, in production",
        PRODUCTION_RULES,
        put(PRODUCTION, "web", "cap_add", ["NET_ADMIN"]),
        "web: it has the capability NET_ADMIN",
    ),
    Fault(
        "mounted folder of the host, in production",
        PRODUCTION_RULES,
        put(PRODUCTION, "web", "volumes", ["/etc:/host"]),
        "web: it mounts /etc of the host",
    ),
    Fault(
        "writable root file system, in production",
        PRODUCTION_RULES,
        put(PRODUCTION, "web", "read_only", value=False),
        "web: its root file system is writable",
    ),
    Fault(
        "import against the house's direction",
        LINT,
        write("src/onestep/people/upward.py", '"""A fault."""\n\nimport onestep.initiatives.models  # noqa: F401\n'),
        "onestep.people.upward -> onestep.initiatives.models",
    ),
    Fault(
        "missing migration",
        LINT,
        change("src/onestep/people/models.py", r"(phone = models\.CharField\(max_length)=\d+", r"\1=99"),
        "Alter field phone on person",
    ),
    Fault("migration that a rollout does not survive", LINT, drop_column, "ban-drop-column"),
    Fault(
        "action pinned by no commit",
        LINT,
        change(".github/workflows/matrix.yml", r"(uses: actions/checkout)@[0-9a-f]{40} # (v\d+)\S*", r"\1@\2"),
        "error[unpinned-uses]",
    ),
    Fault(
        "action pinned by two commits",
        LINT,
        change(
            ".github/workflows/matrix.yml", r"(uses: actions/checkout@[0-9a-f]{30})[0-9a-f]{10}", r"\g<1>0123456789"
        ),
        "actions/checkout is pinned by 2 commits",
    ),
    Fault(
        "changed API whose OpenAPI document is not stored",
        OPENAPI,
        change("src/onestep/people/serializers.py", r"(phone = TextField\(max_length)=\d+", r"\1=99"),
        "test_openapi_document_is_the_stored_one",
    ),
    Fault(
        "image that was not tested, to be published",
        PUBLISH,
        build("RUN true"),
        "is not published, since not every session of the matrix found it good",
    ),
]
