"""Pages in a real browser that has no way to other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Route


@contextmanager
def private_page(browser: Browser, url: str) -> Iterator[Page]:
    """A page that reaches one host and nothing else.

    Raises AssertionError in the end where it asked for anything of another host, or found an error: a script that
    failed, or something that the Content-Security-Policy forbids.
    """
    page = browser.new_page(base_url=url)
    strangers: list[str] = []
    errors: list[str] = []

    def refuse_strangers(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(url).netloc or route.request.url.startswith("data:"):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    def keep_error(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.route("**/*", refuse_strangers)
    page.on("console", keep_error)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        page.close()
    assert (strangers, errors) == ([], [])
