"""Protocols that have no place for the failure of one row: an answer has every row, or there is none."""

from __future__ import annotations

from collections.abc import Sequence

from detent.serving.problems import FieldError, Problem
from detent.serving.rows.answers import Line
from detent.serving.rows.validate import MAX_SHOWN


def missing_rows(lines: Sequence[Line]) -> Problem | None:
    """Return the 503 for an answer in which a row has no score; None when all have one."""
    failed = [number for number, line in enumerate(lines) if line.score is None]
    if not failed:
        return None
    errors = tuple(FieldError(field=f"row {number}", message=lines[number].error) for number in failed[:MAX_SHOWN])
    return Problem(
        503,
        "rows-failed",
        what=f"{len(failed)} of {len(lines)} rows could not be answered, and this protocol can't leave rows out",
        why=f"row {failed[0]}: {errors[0].message}",
        fix="send the rows one by one, or to /v1/models/{endpoint}:predict, which answers row by row",
        errors=errors,
        headers=((b"retry-after", b"1"),),
    )
