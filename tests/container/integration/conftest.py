"""One running service for all tests of this folder, and the people who call it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.container.pages import private_page
from tests.container.service import Service, Web, service

ROLES = ("Viewer", "Coordinator", "Administrator")


@dataclass(frozen=True)
class Site:
    """A running service, and the passwords of its users: `root`, a superuser, and one by the name of each role."""

    service: Service
    web: Web
    passwords: dict[str, str]

    def client(self, username: str) -> httpx.Client:
        """Return a client that has logged in."""
        return self.web.client(self.web.obtain_token(username, self.passwords[username]))


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The production image, an empty database and one user of each kind. The logs are printed where a test fails."""
    with service() as running:
        passwords = {name: secrets.token_urlsafe(16) for name in ("root", *(role.lower() for role in ROLES))}
        [web] = running.start_web()
        with ThreadPoolExecutor() as at_once:
            roles = [None, *ROLES]
            made = at_once.map(
                lambda name, role: running.create_user(name, passwords[name], role=role), passwords, roles
            )
            list(made)  # raises what went wrong
        web.wait_until_ready()
        yield Site(running, web, passwords)
        if request.session.testsfailed:
            running.print_logs()


@pytest.fixture(scope="session")
def web(site: Site) -> Web:
    """The web container."""
    return site.web


@pytest.fixture(scope="session")
def anonymous(web: Web) -> Iterator[httpx.Client]:
    """Somebody who has not logged in."""
    with web.client() as client:
        yield client


@pytest.fixture(scope="session")
def viewer(site: Site) -> Iterator[httpx.Client]:
    """Somebody who may look at everything."""
    with site.client("viewer") as client:
        yield client


@pytest.fixture(scope="session")
def coordinator(site: Site) -> Iterator[httpx.Client]:
    """Somebody who may add and change, and takes apart only what they put together."""
    with site.client("coordinator") as client:
        yield client


@pytest.fixture(scope="session")
def administrator(site: Site) -> Iterator[httpx.Client]:
    """Somebody who may do everything with the data."""
    with site.client("administrator") as client:
        yield client


@pytest.fixture
def page(browser: Browser, web: Web) -> Iterator[Page]:
    """A page that reaches the service and nothing else."""
    with private_page(browser, web.url) as page:
        yield page
