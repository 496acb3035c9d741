"""Query parameters of single operations. One that is not understood is an error with its name, as filters' are."""

from __future__ import annotations

from rest_framework.request import Request

from onestep.errors import InvalidError


def integer_parameter(request: Request, name: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`. Raises InvalidError for anything else."""
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdigit()) or not 1 <= int(raw[:9]) <= most:
        raise InvalidError({name: [f"Give a whole number from 1 to {most}."]})
    return int(raw)


def refuse_unknown_parameters(request: Request, *known: str) -> None:
    """Raise InvalidError for a parameter that is not one of these (or `format`, which chooses the renderer)."""
    errors = {name: ["There is no such parameter."] for name in request.query_params if name not in {*known, "format"}}
    errors |= {name: ["Give it once."] for name in request.query_params if len(request.query_params.getlist(name)) > 1}
    if errors:
        raise InvalidError(errors)
