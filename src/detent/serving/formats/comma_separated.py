"""CSV with a header line -> rows by name. Empty cells and pandas' other words for a missing value are null."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from detent.records.signature import BOOLEAN, INTEGER, NUMBER
from detent.serving.problems import FieldError, Problem
from detent.serving.rows.validate import MAX_ROWS, invalid

_MISSING = frozenset(  # what pandas.read_csv takes for null
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_TRUE_FALSE = {"true": True, "false": False}


def read_csv(body: bytes, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a body; `kinds` says what each known column holds.

    A cell that is not what its column holds stays text, for the signature to complain about.

    Raises:
        Problem: 400 when the body is not CSV in UTF-8, 422 when it has no rows or too many.
    """
    try:
        reader = csv.reader(StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        twice = next((name for name, times in Counter(names).items() if times > 1), None)
        if twice is not None:
            raise invalid([FieldError(field=twice[:100], message="two columns have this name")])
        return _rows(reader, names, kinds)
    except UnicodeDecodeError as error:
        raise _malformed(f"it is not UTF-8 ({error.reason})") from error
    except csv.Error as error:
        raise _malformed(str(error)) from error


def _rows(reader: Any, names: Sequence[str], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    first = 1 if names and names[0] == "" else 0  # pandas writes its index there
    rows: list[dict[str, Any]] = []
    for cells in reader:
        if not cells:
            continue  # pandas passes over empty lines, too
        if len(cells) != len(names):
            message = f"{len(cells)} cells for {len(names)} columns"
            raise invalid([FieldError(field=f"line {reader.line_num}", message=message)])
        if len(rows) == MAX_ROWS:
            raise invalid([FieldError(field="", message=f"more than {MAX_ROWS:,} rows; split the request")])
        pairs = zip(names[first:], cells[first:], strict=True)
        rows.append({name: _value(text, kinds.get(name)) for name, text in pairs})
    if not rows:
        raise invalid([FieldError(field="", message="no rows; send a line with the columns' names, then the rows")])
    return rows


def _value(text: str, kind: str | None) -> Any:
    if text in _MISSING:
        return None
    if kind == BOOLEAN:
        return _TRUE_FALSE.get(text.lower(), text)
    if kind not in (NUMBER, INTEGER) or "_" in text or len(text) > 400:  # Python takes 1_000 for a number
        return text
    try:
        return int(text) if kind == INTEGER else float(text)
    except ValueError:
        return _float(text) if kind == INTEGER else text


def _float(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _malformed(why: str) -> Problem:
    return Problem(
        400,
        "malformed-csv",
        what="the body is not CSV",
        why=why,
        fix="send a line with the columns' names and a line per row, separated by commas, in UTF-8",
        errors=(FieldError(field="", message=why),),
    )
