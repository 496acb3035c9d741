"""What schemathesis cannot know of the API: log-ins that work, and refusals that no schema can state.

Schemathesis loads this file itself (schemathesis.toml names it). A failure that is dropped here has its reason beside
it; everything else fails the run.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

# Why a value that the OpenAPI document allows may still be refused. One that is refused in any other words fails the
# run: then the document describes it wrongly.
RULES = re.compile(
    "|".join(
        [
            # A row that is named has to be there, and once.
            r"There is none with the (id|code) .*\.",
            r"This person is on the team already\.",
            # What is unique is so among the rows that are there.
            r"A .* with this (code|e-mail address|name|short name) already exists.*\.",
            # Nor is anything a part of itself.
            r"An initiative cannot be its own parent\.",
            # Dates, and people who lead, are held against each other and against other rows.
            r"The end cannot be before the start\.",
            r"This person leads the group (already|in a part of this time already)\.",
            r"A leadership keeps its (group|person)\. End this one, and make a new one\.",
            # A cursor is signed.
            r"This cursor is damaged\. Start again from the first page\.",
            r"This cursor belongs to another ordering\.",
            # A file is looked at.
            r"The file is empty\.",
            r"The content is of no accepted kind: .*",
            r"The content is .*: the name has to end in .*\.",
            # The format uri takes any scheme, and hosts of any length.
            r"Give a web address that begins with https:// or http://\.",
            # PostgreSQL's texts have no NUL.
            r"Null characters are not allowed\.",
        ]
    ),
    re.DOTALL,
)
# Spaces around a text are dropped before it is looked at, so that one of spaces is an empty one.
BLANK = re.compile(r"This field may not be blank\.|Give it a value, or leave it out\.")

_turns = itertools.count()
_refresh_tokens: list[str] = []


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value that is nested as JSON is."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Return whether a failure is one."""
    sent = list(texts([case.query, case.body]))
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        allowed = [RULES] + [BLANK] * any(text and not text.strip() for text in sent)
        found = list(texts(response.json().get("errors", {})))
        return not found or not all(any(rule.fullmatch(message) for rule in allowed) for message in found)
    if isinstance(failure, AcceptedNegativeData):
        return not ("maxLength" in str(failure) and any(text != text.strip() for text in sent))
    return True


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Let every other valid request under /auth/ have a password or a token that works."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or next(_turns) % 2:
        return
    if case.path == "/api/v1/auth/token/":
        case.body = {"username": os.environ["CONTRACT_USERNAME"], "password": os.environ["CONTRACT_PASSWORD"]}
    elif case.path.startswith("/api/v1/auth/") and case.method == "POST" and _refresh_tokens:
        case.body = dict.fromkeys(("refresh", "token"), _refresh_tokens.pop())


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Keep the tokens that a log-in was answered with."""
    if case.path == "/api/v1/auth/token/" and case.method == "POST" and response.status_code == 200:
        _refresh_tokens.append(response.json()["refresh"])
