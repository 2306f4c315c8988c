"""One error type that every user meets: what happened, why, how to fix it, and where."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot a user can open: a file with line and column, or a named field, row or URL."""

    file: str  # path, or a name such as "request body"
    line: int | None = None  # counted from 1
    column: int | None = None  # counted from 1
    field: str | None = None  # dotted key, column name or JSON path

    def __str__(self) -> str:
        spot = self.file
        if self.line is not None:
            spot += f":{self.line}"
            if self.column is not None:
                spot += f":{self.column}"
        return f"{spot} ({self.field})" if self.field else spot


class DetentError(Exception):
    """A mistake or a fault that a user can act upon. `fix` is required, so it can't be forgotten.

    `code` is stable and meant for machines (problem+json `type`, exit status, tests).
    """

    code = "error"
    exit_status = 2

    def __init__(self, *, what: str, why: str, fix: str, where: Place | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        lines = [self.what, f"  why:   {self.why}", f"  fix:   {self.fix}"]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (steps run in workers); keyword-only arguments need help to be rebuilt.
        return (_rebuild, (type(self), self.what, self.why, self.fix, self.where))


def _rebuild(kind: type[DetentError], what: str, why: str, fix: str, where: Place | None) -> DetentError:
    error = kind.__new__(kind)
    DetentError.__init__(error, what=what, why=why, fix=fix, where=where)
    return error


class ProjectError(DetentError):
    """`detent.yaml` or the Python it names is wrong."""

    code = "project"


class DataError(DetentError):
    """Data is missing, empty or breaks its contract."""

    code = "data"


class StepError(DetentError):
    """A pipeline step failed."""

    code = "step"


class RefusedError(DetentError):
    """Something was asked for that the rules forbid: no passing verdict, no valid signature, a bad state change."""

    code = "refused"
    exit_status = 3


class TamperedError(RefusedError):
    """Bytes are not what their digest, signature or hash chain says."""

    code = "tampered"
    exit_status = 4


class BusyError(DetentError):
    """Another process holds what this one needs."""

    code = "busy"
    exit_status = 5


class StoreError(DetentError):
    """The database or the blob store can't do what was asked: disk full, locked, unreachable."""

    code = "store"
    exit_status = 6


class MissingExtraError(DetentError):
    """An optional package is needed and not installed."""

    code = "missing-extra"


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint that names the nearest known words, or all of them when none is near."""
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"`{name}`" for name in near) + "?"
    return "known: " + ", ".join(f"`{name}`" for name in sorted(known))
