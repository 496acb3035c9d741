"""Files of initiatives: what is taken, and how each comes back: with its type, to be saved, to those who may see it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.container.integration.api import PDF, V1, add_initiative, problem, upload
from tests.container.integration.conftest import Site

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0\x90wS\xde"
NO_ACCEPTED_KIND = "The content is of no accepted kind"
TEXT = "Açaí, naïve façade\n".encode()


@pytest.fixture(scope="module")
def initiative(administrator: httpx.Client) -> int:
    """The id of an initiative to attach files to."""
    return int(add_initiative(administrator)["id"])


@pytest.fixture(scope="module")
def attach(administrator: httpx.Client, initiative: int) -> Callable[..., dict[str, Any]]:
    """Attach a file and return its document."""

    def attach(name: str, content: bytes) -> dict[str, Any]:
        answer = upload(administrator, initiative, name=name, content=content)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return attach


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("report.pdf", PDF, "application/pdf"),
        ("map.png", PNG, "image/png"),
        ("notes.txt", TEXT, "text/plain; charset=utf-8"),
        ("table.csv", b"a,b\n1,2\n", "text/csv; charset=utf-8"),
    ],
    ids=["PDF", "PNG", "text", "CSV"],
)
def test_file_comes_back_as_it_was_sent(
    name: str, content: bytes, media_type: str, attach: Callable[..., dict[str, Any]], viewer: httpx.Client
) -> None:
    """Its type is told by its content (it was sent as text/html), and a browser saves it and does not show it."""
    answer = viewer.get(attach(name, content)["content_url"])
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'


def test_name_of_any_script_is_kept(attach: Callable[..., dict[str, Any]], viewer: httpx.Client) -> None:
    row = attach("Relatório 年度.txt", TEXT)
    assert row["name"] == "Relatório 年度.txt"
    disposition = viewer.get(row["content_url"]).headers["Content-Disposition"]
    assert disposition == "attachment; filename*=utf-8''Relat%C3%B3rio%20%E5%B9%B4%E5%BA%A6.txt"


def test_download_goes_on_where_it_stopped(attach: Callable[..., dict[str, Any]], viewer: httpx.Client) -> None:
    content = b"".join(b"%07d\n" % number for number in range(5000))
    address = attach("long.txt", content)["content_url"]
    whole = viewer.get(address)
    assert (whole.content, whole.headers["Accept-Ranges"]) == (content, "bytes")
    rest = viewer.get(address, headers={"Range": "bytes=30000-", "If-Range": whole.headers["ETag"]})
    assert (rest.status_code, rest.content) == (206, content[30000:])
    assert rest.headers["Content-Range"] == f"bytes 30000-{len(content) - 1}/{len(content)}"
    beyond = viewer.get(address, headers={"Range": f"bytes={len(content)}-"})
    problem(beyond, 416, "range_not_satisfiable")
    held = viewer.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert (held.status_code, held.content) == (304, b"")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("page.html", b"<!doctype html><script>alert(1)</script>", NO_ACCEPTED_KIND),
        (
            "picture.svg",
            b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
            NO_ACCEPTED_KIND,
        ),
        ("program.pdf", b"\x7fELF\x02\x01\x01\0\0\0\0\0", NO_ACCEPTED_KIND),
        ("report.png", PDF, "The content is a PDF file: the name has to end in .pdf."),
        ("empty.txt", b"", "The file is empty."),
    ],
    ids=["HTML", "SVG", "program", "ending", "empty"],
)
def test_file_that_a_browser_might_run_is_refused(
    name: str, content: bytes, message: str, initiative: int, administrator: httpx.Client
) -> None:
    before = administrator.get(f"{V1}/initiatives/{initiative}/").json()["attachments_count"]
    body = problem(upload(administrator, initiative, name=name, content=content), 400, "invalid")
    assert body["errors"]["file"][0].startswith(message)
    assert administrator.get(f"{V1}/initiatives/{initiative}/").json()["attachments_count"] == before


def test_file_over_the_limit_is_refused(initiative: int, administrator: httpx.Client) -> None:
    """25 MB, unless ATTACHMENT_MAX_MEGABYTES says otherwise. Nothing of it stays."""
    limit = 25 * 2**20
    answer = upload(administrator, initiative, name="large.txt", content=b"x" * (limit + 1))
    assert problem(answer, 413, "too_large")["limit"] == limit


def test_file_by_its_stored_name_asks_for_a_permission(
    attach: Callable[..., dict[str, Any]], site: Site, anonymous: httpx.Client, viewer: httpx.Client
) -> None:
    """`/media/` is no folder that the server hands out: each name is looked up, and who asks is too."""
    row = attach("stored.pdf", PDF)
    stored = site.service.sql(f"SELECT file FROM initiatives_attachment WHERE id = {row['id']}")
    assert "stored" not in stored
    problem_or_page = anonymous.get(f"/media/{stored}")
    assert problem_or_page.status_code == 401
    assert PDF not in problem_or_page.content
    answer = viewer.get(f"/media/{stored}")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="stored.pdf"'
    for name in ("", "attachments/", f"{stored}/", "../app/src/onestep/settings.py", "%2e%2e/%2e%2e/etc/passwd"):
        assert viewer.get(f"/media/{name}").status_code == 404, name


def test_deleted_file_is_gone(attach: Callable[..., dict[str, Any]], site: Site, administrator: httpx.Client) -> None:
    row = attach("gone.pdf", PDF)
    stored = site.service.sql(f"SELECT file FROM initiatives_attachment WHERE id = {row['id']}")
    there = ["test", "-e", f"/app/media/{stored}"]
    assert site.web.container.exec_run(there).exit_code == 0
    assert administrator.delete(f"{V1}/attachments/{row['id']}/").status_code == 204
    assert site.web.container.exec_run(there).exit_code == 1
    problem(administrator.get(row["content_url"]), 404, "not_found")
