"""Which slices must be among the evaluation rows: those that were named, and those that the champion was judged on."""

from __future__ import annotations

from collections.abc import Sequence

from detent.records.check import Verdict


def expected_slices(
    declared: Sequence[tuple[str, tuple[str, ...]]], champion: Verdict | None
) -> dict[str, tuple[str, ...]]:
    """Return the levels of each column that a candidate must be judged on too; `declared` is `expect` of the gate.

    Where nothing is declared about a column, the slices count that the champion's verdict measured: a candidate must
    not become better by losing the rows that are hard.
    """
    found: dict[str, dict[str, None]] = {}
    for result in champion.results if champion else ():
        for part in result.slices:
            if part.metric is not None:
                found.setdefault(part.column, {})[part.value] = None
    return {column: tuple(levels) for column, levels in found.items()} | dict(declared)
