"""Broken promises as one error, whose text stays short however much is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from detent.data.expect.judge import ROW, Checked
from detent.data.expect.words import count
from detent.data.place import place_of
from detent.errors import DataError
from detent.records.expectation import FAIL
from detent.records.project import Source

SHOWN_PROMISES = 10
SHOWN_ROWS = 3
_WIDTH = 40  # characters of a value that are shown


class BrokenContractError(DataError):
    """Data breaks a promise that must hold. What each promise came to is in the table `checks`."""

    code = "contract"


def refusal(checked: Mapping[str, Sequence[Checked]], sources: Sequence[Source]) -> BrokenContractError | None:
    """Return the error for promises of severity "fail" that are broken; None when all of them are kept.

    `checked` holds the results by dataset, `sources` where the datasets are declared.
    """
    named = {source.name: source for source in sources}
    broken = [(name, one) for name, many in checked.items() for one in many if one.result.outcome == FAIL]
    if not broken:
        return None
    lines: list[str] = []
    for name, one in broken[:SHOWN_PROMISES]:
        lines.append(f"{name}: {one.result.expectation}: {one.result.reason}")
        lines += _rows(one, named[name].key)
    if len(broken) > SHOWN_PROMISES:
        lines.append(f"and {len(broken) - SHOWN_PROMISES} more")
    names = list(dict.fromkeys(name for name, _ in broken))
    first = named[names[0]]
    is_contract = broken[0][1].result.expectation.startswith("contract ")
    return BrokenContractError(
        what=f"dataset `{'`, `'.join(names)}` breaks {'its' if len(names) == 1 else 'their'} contract",
        why=f"{count(len(broken), 'promise')} broken (rows are counted from 0):\n    " + "\n    ".join(lines),
        fix="mend the data at its source, or change the promise if the world has changed; `-> warn` lets it pass",
        where=place_of(first, "contract" if is_contract else "expect"),
    )


def _rows(one: Checked, key: str | None) -> list[str]:
    if one.failing is None:
        return []
    names = [name for name in dict.fromkeys([key, *one.result.columns]) if name in one.failing.columns]
    shown = one.failing.head(SHOWN_ROWS).select(ROW, *(pl.col(str(name)) for name in names))
    lines = [
        f"  row {row[ROW]}: " + ", ".join(f"{name} is {_value(row[str(name)])}" for name in names)
        for row in shown.rows(named=True)
    ]
    more = one.result.failing - shown.height
    return [*lines, *([f"  and {more:,} more"] if more else [])]


def _value(found: object) -> str:
    text = repr(found)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
