"""What the service answers to browsers and to those who forge, climb or guess: over HTTP, on two replicas."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from itertools import cycle

import httpx
import pytest

from tests.container.service import Service, Web

PASSWORD = "correct-horse-battery"
REFUSALS = [401, 401, 401, 401, 429]  # of five failures, LOGIN_ATTEMPT_LIMIT's default; the last one says what follows


@pytest.fixture(scope="module")
def replicas(production: Service) -> list[Web]:
    """Two that clients reach directly, as seen by them, on one database."""
    replicas = production.start_web(2)
    for web in replicas:
        web.wait_until_ready()
    return replicas


@pytest.fixture(scope="module")
def web(replicas: list[Web]) -> Web:
    return replicas[0]


@pytest.fixture(scope="module")
def behind_proxy(production: Service) -> Web:
    """One behind a proxy that ends TLS, and whose X-Forwarded-For is believed as far as the proxy wrote it."""
    [web] = production.start_web(https=True)
    web.wait_until_ready()
    return web


@pytest.fixture(scope="module")
def user(production: Service) -> Callable[[str], str]:
    """Makes a superuser with `PASSWORD`, and returns the name."""

    def make(name: str) -> str:
        production.create_user(name, PASSWORD)
        return name

    return make


PAGES = {
    "/": 200,
    "/login/": 200,
    "/admin/login/": 200,
    "/api/docs/": 200,
    "/api/schema/": 200,
    "/api/v1/people/": 401,
    "/media/nothing": 401,
    "/nowhere/": 404,
    "/api/nowhere/": 404,
}


@pytest.mark.parametrize("path", PAGES)
def test_page_tells_the_browser_to_be_strict(behind_proxy: Web, path: str) -> None:
    answer = behind_proxy.get(path)
    assert answer.status_code == PAGES[path]
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["form-action"] == "'self'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "geolocation=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert not re.search(r"\d", answer.headers.get("Server", "")), "it tells its version"
    assert "X-Powered-By" not in answer.headers


def test_static_file_tells_the_browser_to_be_strict(behind_proxy: Web) -> None:
    [path] = re.findall(r'href="(/static/onestep/pages\.[0-9a-f]+\.css)"', behind_proxy.get("/").text)
    answer = behind_proxy.get(path)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_plain_http_leads_to_https(behind_proxy: Web) -> None:
    """Also for a write, whose password or token is never taken in the clear; only a probe needs no HTTPS."""
    plain = Web(behind_proxy.container, https=False)
    answer = plain.get("/admin/login/?next=/admin/")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://127.0.0.1/admin/login/?next=/admin/".replace(
        "127.0.0.1", plain.url.removeprefix("http://")
    )
    with plain.client() as client:
        assert client.post("/api/v1/auth/token/", json={"username": "a", "password": "b"}).status_code == 301
    assert plain.get("/health/ready").status_code == 200


def test_without_https_nothing_promises_it(web: Web) -> None:
    """A browser that was promised HTTPS once would not come back by HTTP. A proxy's header is not believed either."""
    answer = web.get("/admin/login/", headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


def test_cookies_stay_with_the_browser_and_the_site(behind_proxy: Web, user: Callable[[str], str]) -> None:
    with behind_proxy.client() as client:
        answer = log_in(client, user("cookie-owner"), PASSWORD)
    assert answer.status_code == 302
    cookies = {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("Set-Cookie")}
    assert set(cookies) == {"csrftoken", "sessionid"}
    for cookie in cookies.values():
        assert {"Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain=" not in cookie
    assert "HttpOnly" in cookies["sessionid"].split("; ")


def log_in(client: httpx.Client, username: str, password: str) -> httpx.Response:
    """Send the admin's form as a browser does, with the token and the cookie that it came with."""
    form = client.get("/admin/login/")
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    [cookie] = re.findall(r"csrftoken=\w+", form.headers["Set-Cookie"])
    fields = {"username": username, "password": password, "csrfmiddlewaretoken": token}
    # The client itself keeps a cookie for HTTPS from an address that is HTTP for it.
    headers = {"Cookie": cookie, "Referer": str(form.url.copy_with(scheme="https"))}
    return client.post("/admin/login/?next=/admin/", data=fields, headers=headers)


def test_log_in_form_wants_its_token(web: Web) -> None:
    with web.client() as client:
        answer = client.post("/admin/login/", data={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/v1/people/", "/static/onestep/pages.css", "/nowhere/"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "127.0.0.1@evil.example", "", "127.0.0.1/../evil"],
)
def test_other_host_is_refused(web: Web, path: str, host: str) -> None:
    answer = web.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_forwarded_host_is_not_believed(web: Web) -> None:
    """An address in an answer is built of the host that was asked for."""
    answer = web.get("/admin/", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"})
    assert answer.status_code == 302
    assert "evil" not in f"{answer.headers}{answer.text}"


CLIMBS = [
    "../" * 6,
    "/",
    "//",
    "....//" * 6,
    "%2e%2e/" * 6,
    "..%2f" * 6,
    "%2e%2e%2f" * 6,
    "%252e%252e%252f" * 6,
    "..%5c" * 6,
    "..\\" * 6,
    "%c0%ae%c0%ae/" * 6,
    "..;/" * 6,
    "onestep/" + "../" * 7,
    "onestep/%00/" + "../" * 7,
]


@pytest.mark.parametrize("climb", CLIMBS)
@pytest.mark.parametrize("root", ["/static/", "/media/"])
def test_no_path_leads_out_of_the_files(web: Web, media_token: str, root: str, climb: str) -> None:
    """Sent as they stand: no client library tidies them up. With a log-in, without which /media/ answers nothing."""
    for target in ("etc/passwd", "app/src/onestep/settings.py", "app/staticfiles/staticfiles.json"):
        for path in (root + climb + target, f"{root}{climb}{target}%00.css"):
            status, body = get_raw(web, path, media_token)
            assert status in {400, 404}, path
            assert not any(secret in body for secret in (b"root:", b"SECRET_KEY", b'"paths"')), path


@pytest.fixture(scope="module")
def media_token(web: Web, user: Callable[[str], str]) -> str:
    """The token of somebody who may see all media files; with a file beside them that is none."""
    assert web.container.exec_run(["sh", "-c", "echo root: > /app/media/stray.txt"]).exit_code == 0
    return web.obtain_token(user("climber"), PASSWORD)


def test_media_are_what_was_uploaded_and_no_other_file(web: Web, media_token: str) -> None:
    for path in ("/media/stray.txt", "/media/.incoming/", "/media/attachments/", "/media/"):
        assert get_raw(web, path, media_token)[0] == 404


def get_raw(web: Web, path: str, token: str) -> tuple[int, bytes]:
    """Send a GET of exactly this path."""
    connection = http.client.HTTPConnection("127.0.0.1", int(web.url.rpartition(":")[2]), timeout=10)
    try:
        connection.request("GET", path, headers={"Host": "127.0.0.1", "Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_guessing_at_the_api_is_limited_across_replicas(replicas: list[Web], user: Callable[[str], str]) -> None:
    """Five failures on two replicas together; then the right password is refused on both, for a time that is told."""
    name = user("api-victim")
    other = user("api-neighbour")
    turns = cycle(replicas)
    assert [obtain(next(turns), name, "wrong").status_code for _ in REFUSALS] == REFUSALS
    for web in replicas:
        answer = obtain(web, name, PASSWORD)
        assert answer.status_code == 429
        assert answer.json()["type"] == "urn:onestep:problem:too_many_attempts"
        assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
        with web.client() as client:
            assert log_in(client, name, PASSWORD).status_code == 429
    assert obtain(replicas[0], other, PASSWORD).status_code == 200


def test_guessing_at_the_admin_is_limited_across_replicas(replicas: list[Web], user: Callable[[str], str]) -> None:
    name = user("admin-victim")
    turns = cycle(replicas)
    for status in REFUSALS:
        with next(turns).client() as client:  # the form comes again, and says what is wrong
            assert log_in(client, name, "wrong").status_code == (200 if status == 401 else status)
    for web in replicas:
        with web.client() as client:
            answer = log_in(client, name, PASSWORD)
        assert answer.status_code == 429
        assert "Retry-After" in answer.headers
        assert obtain(web, name, PASSWORD).status_code == 429


def test_forged_address_does_not_help(web: Web, user: Callable[[str], str]) -> None:
    """Where no proxy stands before it, no header says where somebody comes from."""
    name = user("forger")
    attempts = [obtain(web, name, "wrong", **forged(f"203.0.113.{number}")) for number in range(len(REFUSALS))]
    assert [attempt.status_code for attempt in attempts] == REFUSALS
    assert obtain(web, name, PASSWORD, **forged("203.0.113.99")).status_code == 429


def test_forged_address_does_not_help_behind_a_proxy(behind_proxy: Web, user: Callable[[str], str]) -> None:
    """The proxy appends where the request came from; what stands before that is the client's invention."""
    name = user("proxied-forger")
    invented = [f"203.0.113.{number}, 198.51.100.7" for number in range(len(REFUSALS))]
    attempts = [obtain(behind_proxy, name, "wrong", **forged(addresses)) for addresses in invented]
    assert [attempt.status_code for attempt in attempts] == REFUSALS
    assert obtain(behind_proxy, name, PASSWORD, **forged("203.0.113.99, 198.51.100.7")).status_code == 429
    # It counts by the proxy's word: somebody from elsewhere is somebody else.
    assert obtain(behind_proxy, name, PASSWORD, **forged("203.0.113.99, 198.51.100.8")).status_code == 200


def obtain(web: Web, username: str, password: str, **headers: str) -> httpx.Response:
    """Ask for tokens."""
    with web.client() as client:
        credentials = {"username": username, "password": password}
        return client.post("/api/v1/auth/token/", json=credentials, headers=headers)


def forged(addresses: str) -> dict[str, str]:
    """Return the headers by which one may say where a request came from."""
    first = addresses.partition(",")[0]
    return {
        "X-Forwarded-For": addresses,
        "X-Real-IP": first,
        "True-Client-IP": first,
        "CF-Connecting-IP": first,
        "Client-IP": first,
        "Forwarded": f"for={first}",
    }
