"""Which logged rows still hold all inputs that a model wants."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from detent.records.signature import Signature

HASHED, CUT, MISSING = "hashed", "cut", "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """What can be given to the model again."""

    rows: pl.DataFrame
    left_out: tuple[tuple[str, str, int], ...]  # (hashed | cut | missing, input, rows), sorted; a row counts once


def usable(rows: pl.DataFrame, signature: Signature) -> Usable:
    """Leave out rows in which an input of the signature is hashed, was cut, or is not there at all.

    An input that is null was sent as null; one that is not there was dropped, or the version that answered had no such
    input.
    """
    decoded: list[dict[str, Any]] = msgspec.json.decode("[" + ",".join(rows["inputs"].to_list()) + "]")
    names = [field.name for field in signature.inputs]
    reasons = [_reason(row, names) for row in decoded]
    found = Counter(reason for reason in reasons if reason is not None)
    return Usable(
        rows=rows.filter(pl.Series([reason is None for reason in reasons], dtype=pl.Boolean())),
        left_out=tuple((what, name, count) for (what, name), count in sorted(found.items())),
    )


def _reason(row: dict[str, Any], names: list[str]) -> tuple[str, str] | None:
    for name in names:
        if name not in row:
            return MISSING, name
        value = row[name]
        if isinstance(value, dict):  # inputs are never objects, so this says what became of the value
            return (HASHED if "hashed" in value else CUT), name
    return None
