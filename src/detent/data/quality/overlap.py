"""What evaluation rows share with training rows, and what chance alone would explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.data.quality.cells import cells_of, row_hashes
from detent.data.quality.near import near_rows
from detent.data.quality.report import SHOWN, QualityFinding
from detent.records.expectation import FAIL, PASS, WARN

BY_CHANCE = 0.01  # share of evaluation rows that may equal a training row whatever the data
Rows = NDArray[np.int64]  # numbers of rows
_MARGIN = 1.1  # evaluation rows may repeat a little more often than training rows among themselves


def find_overlap(
    train: pl.DataFrame, evaluation: pl.DataFrame, *, key: str | None, entity: str | None, time: str | None
) -> list[QualityFinding]:
    """Look for evaluation rows that were trained on: by key, by content, nearly, and by entity.

    Content is every column that both have, but key and time. Rows of few distinct values repeat by chance: a share no
    larger than training rows repeat each other only warns.
    """
    findings = []
    if key is not None:
        findings.append(_by_value("shared_keys", key, train, evaluation, FAIL, "have a key that was trained on"))
    if entity is not None:
        what = "are about an entity that was trained on: it tells nothing about new ones"
        findings.append(_by_value("shared_entities", entity, train, evaluation, WARN, what))
    content = [name for name in train.columns if name in evaluation.columns and name not in (key, time)]
    if content:
        findings += _by_content(train.select(content), evaluation.select(content))
    return findings


def _by_value(
    kind: str, column: str, train: pl.DataFrame, evaluation: pl.DataFrame, outcome: str, what: str
) -> QualityFinding:
    first = train.select(pl.col(column), twin=pl.int_range(pl.len())).drop_nulls(column).unique(column, keep="first")
    rows = evaluation.select(pl.col(column), row=pl.int_range(pl.len()))
    shared = rows.join(first, on=column, how="inner").sort("row")
    share = shared.height / max(1, evaluation.height)
    return QualityFinding(
        kind=kind,
        outcome=outcome if shared.height else PASS,
        column=column,
        rows=shared.height,
        share=share,
        examples=tuple(shared.select("row", "twin").head(SHOWN).rows()),
        reason=f"{shared.height:,} evaluation rows ({share * 100:.3g}%) {what} (`{column}`)"
        if shared.height
        else f"no evaluation rows {what} (`{column}`)",
    )


def _by_content(train: pl.DataFrame, evaluation: pl.DataFrame) -> tuple[QualityFinding, QualityFinding]:
    """Compare whole rows: for equal ones, and among those that are not, for nearly equal ones."""
    evaluation = _like(evaluation, train)
    known, asked = row_hashes(train), row_hashes(evaluation)
    values, first, sizes = np.unique(known, return_index=True, return_counts=True)
    place = np.minimum(np.searchsorted(values, asked), values.size - 1)
    equal = values[place] == asked
    shared = np.flatnonzero(equal)
    usual = float(sizes[sizes > 1].sum()) / known.size
    exact = _finding(_EQUAL, shared, first[place[shared]], asked.size, usual)
    new, others = np.unique(asked, return_index=True)[1], np.sort(first)
    new = np.sort(new[~equal[new]])
    return exact, _nearly(train[others], others, evaluation[new], new, evaluation.height)


def _nearly(
    train: pl.DataFrame, train_rows: Rows, evaluation: pl.DataFrame, evaluation_rows: Rows, rows: int
) -> QualityFinding:  # fmt: skip
    pairs, complete = near_rows(cells_of(pl.concat([train, evaluation])))
    border = train.height
    usual = np.unique(pairs[pairs[:, 1] < border]).size / border
    across = pairs[(pairs[:, 0] < border) & (pairs[:, 1] >= border)]
    found, first = np.unique(across[:, 1], return_index=True)
    shared, twins = evaluation_rows[found - border], train_rows[across[first, 0]]
    return _finding(_NEAR, shared, twins, rows, usual, complete=complete)


@dataclass(frozen=True, slots=True)
class _Likeness:
    """How rows are compared, and what a share means that chance explains (`usual`), or does not (`unusual`)."""

    kind: str
    what: str
    usual: str
    unusual: str


_EQUAL = _Likeness("shared_rows", "equal a training row", WARN, FAIL)
_NEAR = _Likeness("shared_near_rows", "nearly equal a training row", PASS, WARN)


def _finding(
    likeness: _Likeness, shared: Rows, twins: Rows, rows: int, usual: float, *, complete: bool = True
) -> QualityFinding:  # fmt: skip
    share = shared.size / max(1, rows)
    told = f"no evaluation rows {likeness.what}"
    if shared.size:
        told = (
            f"{shared.size:,} evaluation rows ({share * 100:.3g}%) {likeness.what}; "
            f"{usual * 100:.3g}% of the training rows do so among themselves"
        )
    told += "" if complete else "; some groups were too large to compare in full, so there may be more"
    unusual = share > max(BY_CHANCE, _MARGIN * usual)
    return QualityFinding(
        kind=likeness.kind,
        outcome=PASS if not shared.size else likeness.unusual if unusual else likeness.usual,
        column="",
        rows=int(shared.size),
        share=share,
        examples=tuple((int(row), int(twin)) for row, twin in zip(shared[:SHOWN], twins[:SHOWN], strict=True)),
        reason=told,
        complete=complete,
    )


def _like(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the other's types, for equal values of two types have two hashes."""
    return frame.cast({name: kind for name, kind in other.schema.items() if frame.schema[name] != kind}, strict=False)  # pyright: ignore[reportArgumentType]
