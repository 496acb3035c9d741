"""The pages for people, in a real browser that reaches no other host."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.container.integration.api import V1, add_person, unique
from tests.container.integration.conftest import Site

TRANSPARENT = "rgba(0, 0, 0, 0)"


def log_in(page: Page, path: str, username: str, password: str) -> None:
    """Fill in the form that asks for a log-in at the path."""
    page.goto(path)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_home_says_that_all_is_in_order(page: Page) -> None:
    """And shows nobody a password: that is the development's."""
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keep track of your initiatives")
    expect(page.locator(".states .ok")).to_have_count(page.locator(".states > div").count())
    expect(page.get_by_text("Database")).to_be_visible()
    expect(page.get_by_text("onestep-admin")).to_have_count(0)
    page.get_by_role("link", name="Try the API").click()
    expect(page).to_have_url("/api/docs/")


def test_swagger_is_rendered_without_the_internet(page: Page) -> None:
    page.goto("/api/docs/")
    expect(page.get_by_text("/api/v1/initiatives/", exact=True).first).to_be_visible(timeout=20_000)
    page.get_by_text("/api/v1/auth/token/verify/", exact=True).click()
    expect(page.get_by_text("Answers what an access or refresh token is")).to_be_visible()


def test_swagger_calls_the_api(page: Page, site: Site) -> None:
    """Authorize with a token and try a call: the page's own origin is all it needs."""
    page.goto("/api/docs/")
    page.get_by_role("button", name="Authorize", exact=True).first.click(timeout=20_000)
    page.get_by_label("Value:").or_(page.get_by_label("auth-bearer-value")).first.fill(
        site.web.obtain_token("viewer", site.passwords["viewer"])
    )
    page.locator(".auth-btn-wrapper button.authorize").first.click()
    page.locator(".btn-done").first.click()
    page.get_by_text("/api/v1/auth/me/", exact=True).click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text('"username": "viewer"')


def test_redoc_is_rendered_without_the_internet(page: Page) -> None:
    page.goto("/api/redoc/")
    expect(page.get_by_role("heading", name="OneStep API").first).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="List initiatives")).to_be_attached()


def test_admin_adds_a_row_that_the_api_shows(page: Page, site: Site, administrator: httpx.Client) -> None:
    """Log in, add a campus, see it in the list, and read it over the API; then log out."""
    log_in(page, "/admin/", "root", site.passwords["root"])
    header = page.locator("#header")
    assert header.evaluate("element => getComputedStyle(element).backgroundColor") != TRANSPARENT
    name, code = unique("Campus of the admin"), unique("ADM")
    page.goto("/admin/groups/campus/add/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    expect(page.locator("#result_list")).to_contain_text(name)
    [row] = administrator.get(f"{V1}/campuses/", params={"code": code.lower()}).json()["results"]
    assert (row["name"], row["code"]) == (name, code)
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_admin_names_the_field_that_is_wrong(page: Page, site: Site) -> None:
    log_in(page, "/admin/groups/campus/add/", "root", site.passwords["root"])
    page.get_by_label("Name").fill("A campus")
    page.get_by_label("Code").fill("no spaces here")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-code .errorlist")).to_have_text(
        "A code consists of letters, digits, hyphens and underscores."
    )


def test_admin_lets_only_staff_in(page: Page, site: Site) -> None:
    log_in(page, "/admin/", "viewer", site.passwords["viewer"])
    expect(page.get_by_text("Please enter the correct username and password for a staff account")).to_be_visible()


def test_api_is_browsed_after_a_log_in(page: Page, site: Site, administrator: httpx.Client) -> None:
    person = add_person(administrator, name=unique("Browsed"))
    log_in(page, "/login/?next=/api/v1/people/", "viewer", site.passwords["viewer"])
    expect(page).to_have_url("/api/v1/people/")
    page.goto(f"/api/v1/people/{person['id']}/")
    expect(page.locator(".response-info")).to_contain_text(person["name"])


@pytest.mark.parametrize("path", ["/nothing/", "/media/../../etc/passwd"])
def test_page_that_is_not_there(path: str, anonymous: httpx.Client) -> None:
    """A page for people, without a word of the code; the request's id stands on it, for reports."""
    answer = anonymous.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["X-Request-ID"] in answer.text
    assert "Traceback" not in answer.text
