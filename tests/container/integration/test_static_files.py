"""Static files: their types, compressed copies and caching, and what follows from names that hold a hash."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

PAGES = ("/", "/admin/login/", "/api/docs/", "/api/redoc/", "/login/")
TYPES = {
    "css": 'text/css; charset="utf-8"',
    "js": 'text/javascript; charset="utf-8"',
    "svg": "image/svg+xml",
    "png": "image/png",
}
YEAR = 365 * 24 * 60 * 60


@pytest.fixture(scope="module")
def addresses(anonymous: httpx.Client) -> list[str]:
    """Every static file that a page for people names."""
    found = {name for path in PAGES for name in re.findall(r'"(/static/[^"]+)"', anonymous.get(path).text)}
    assert len(found) > 15
    return sorted(found)


def test_static_files_may_be_kept_for_ever(addresses: list[str], anonymous: httpx.Client) -> None:
    """Each has its type, and a hash in its name: an upgrade changes the name, so that no cache serves an old one."""
    for address in addresses:
        answer = anonymous.get(address)
        assert answer.status_code == 200, address
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", address), address
        assert answer.headers["Content-Type"] == TYPES[address.rpartition(".")[2]], address
        caching = answer.headers["Cache-Control"]
        assert "immutable" in caching, address
        assert "public" in caching, address
        assert int(re.search(r"max-age=(\d+)", caching)[1]) >= YEAR, address
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("br", "br"),
        ("gzip", "gzip"),
        ("identity", None),
    ],
)
def test_static_file_is_compressed_as_the_client_takes_it(
    accepted: str, encoding: str | None, addresses: list[str], anonymous: httpx.Client
) -> None:
    """In a copy made with the image; caches keep the forms apart."""
    for address in addresses:
        if not address.endswith((".css", ".js")):
            continue
        with anonymous.stream("GET", address, headers={"Accept-Encoding": accepted}) as answer:
            sent = b"".join(answer.iter_raw())
        plain = anonymous.get(address, headers={"Accept-Encoding": "identity"}).content
        if len(plain) > 2000:
            assert answer.headers.get("Content-Encoding") == encoding, address
            assert (len(sent) < len(plain)) == bool(encoding), address
        assert answer.headers["Vary"] == "Accept-Encoding", address
        assert int(answer.headers["Content-Length"]) == len(sent), address
        if encoding == "gzip":
            assert gzip.decompress(sent) == plain, address


def test_static_file_is_asked_for_again_in_vain(addresses: list[str], anonymous: httpx.Client) -> None:
    answer = anonymous.get(addresses[0])
    again = anonymous.get(addresses[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_files_that_style_sheets_name_are_there(addresses: list[str], anonymous: httpx.Client) -> None:
    """Fonts and pictures by their hashed names, such as the admin's icons."""
    for address in (name for name in addresses if name.endswith(".css")):
        for named in re.findall(r"url\(['\"]?([^'\")]+)", anonymous.get(address).text):
            if not named.startswith(("data:", "#")):
                answer = anonymous.get(str(httpx.URL(address).join(named)))
                assert answer.status_code == 200, f"{named} of {address}"


def test_plain_names_are_not_served(anonymous: httpx.Client) -> None:
    """Only the hashed file is in the image: a name that stays the same could be kept for too long."""
    assert anonymous.get("/static/onestep/pages.css").status_code == 404


def test_favicon_leads_to_the_icon(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/favicon.ico")
    assert answer.status_code == 302
    assert anonymous.get(answer.headers["Location"]).headers["Content-Type"] == "image/svg+xml"


def test_other_verbs_are_refused(addresses: list[str], anonymous: httpx.Client) -> None:
    assert anonymous.head(addresses[0]).status_code == 200
    for verb in ("POST", "PUT", "DELETE"):
        assert anonymous.request(verb, addresses[0]).status_code in {403, 404, 405}, verb
