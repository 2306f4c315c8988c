"""Errors as HTTP answers: problem+json (RFC 9457) that names the field."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from detent.errors import DetentError, Place

MEDIA_TYPE = b"application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with one field of a request."""

    field: str  # "inputs[3].temp", "labels[0].value"; "" for the whole body
    message: str


class Problem(DetentError):
    """A request that can't be answered as asked; carries the HTTP status and what is wrong with which field."""

    code = "problem"

    def __init__(
        self,
        status: int,
        kind: str,
        *,
        what: str,
        why: str,
        fix: str,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        where = Place(file="request body", field=errors[0].field) if errors else None
        super().__init__(what=what, why=why, fix=fix, where=where)
        self.status = status
        self.kind = kind  # stable name for machines: the last part of the problem's `type`
        self.errors = errors
        self.headers = headers  # extra response headers


def render(problem: Problem) -> bytes:
    """Return the body of the answer."""
    return msgspec.json.encode(fields_of(problem))


def fields_of(problem: Problem) -> dict[str, object]:
    """Return the members of a problem+json object."""
    return {
        "type": f"urn:detent:problem:{problem.kind}",
        "title": problem.what,
        "status": problem.status,
        "detail": f"{problem.why}; {problem.fix}",
        "errors": [{"field": error.field, "message": error.message} for error in problem.errors],
    }


def unavailable(kind: str, *, what: str, why: str, fix: str) -> Problem:
    """Build a 503 that asks the caller to come again in a second."""
    return Problem(503, kind, what=what, why=why, fix=fix, headers=((b"retry-after", b"1"),))


BUG = Problem(
    500,
    "internal",
    what="the server made a mistake",
    why="an error that nobody foresaw; the server's log has the details",
    fix="report it as a bug, with the request and that part of the log",
)
