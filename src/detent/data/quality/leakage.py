"""Signs that rows know what they should not: later times, and columns that hold the answer."""

from __future__ import annotations

import numpy as np
import polars as pl

from detent.data.quality.report import SHOWN, QualityFinding
from detent.data.times import all_utc
from detent.records.expectation import FAIL, PASS, WARN
from detent.statistics.metrics import BINARY
from detent.statistics.power import feature_power

TELLING = {BINARY: 0.97, "regression": 0.995}  # roc_auc; |rank correlation| or r2, of one column alone
POWER_ROWS = 50_000  # rows that the power of a column is measured on


def find_time_overlap(train: pl.DataFrame, evaluation: pl.DataFrame, *, time: str) -> QualityFinding:
    """Look for evaluation rows that are not later than every training row."""
    last = train[time].max()
    early = (evaluation[time] <= last).fill_null(True).arg_true().to_numpy()
    newest = train[time].arg_max() or 0
    share = early.size / max(1, evaluation.height)
    return QualityFinding(
        kind="time_order",
        outcome=FAIL if early.size else PASS,
        column=time,
        rows=int(early.size),
        share=share,
        examples=tuple((int(row), int(newest)) for row in early[:SHOWN]),
        reason=f"{early.size:,} evaluation rows ({share * 100:.3g}%) are not after the newest training row ({last})"
        if early.size
        else f"every evaluation row is after the newest training row ({last})",
    )


def find_later_columns(train: pl.DataFrame, *, time: str, known_later: tuple[str, ...]) -> list[QualityFinding]:
    """Look for columns of times that lie after the row's own time: nobody knew them then.

    Columns in `known_later` are left out: they are no features, such as the time at which a label became known.
    """
    times = all_utc(train.select(name for name, kind in train.schema.items() if isinstance(kind, pl.Datetime)))
    names = [name for name in times.columns if name != time and name not in known_later]
    later = {name: (times[name] > times[time]).fill_null(False).arg_true().to_list() for name in names}
    return [_later(name, time, rows, train.height) for name, rows in later.items() if rows]


def _later(name: str, time: str, rows: list[int], among: int) -> QualityFinding:
    share = len(rows) / among
    told = (
        f"`{name}` is later than `{time}` in {len(rows):,} training rows ({share * 100:.3g}%), first in row {rows[0]}"
    )
    return QualityFinding(
        kind="later_column",
        outcome=WARN,
        column=name,
        rows=len(rows),
        share=share,
        examples=(),
        reason=f"{told}: was it known then? If it is no feature, name it in `known_later`",
    )


def find_telling_columns(
    train: pl.DataFrame, *, label: str, left_out: tuple[str, ...], seed: int
) -> list[QualityFinding]:
    """Look for columns that predict the label almost alone; each one found is a finding, else there is one that passes.

    A binary label is judged by roc_auc, any other number by rank correlation or r2. Rows without a label are left out.
    """
    rows = train.filter(pl.col(label).is_not_null())
    if rows.height > POWER_ROWS:
        rows = rows.sample(POWER_ROWS, seed=seed)
    y = rows[label].cast(pl.Float64).fill_nan(None).to_numpy()
    task = BINARY if np.isin(y, (0.0, 1.0)).all() else "regression"
    if y.size < 2 or np.unique(y).size < 2:
        return [_told("", 0.0, PASS, "the label has one value only, so no column can tell it")]
    names = [name for name in rows.columns if name != label and name not in left_out and _is_plain(rows.schema[name])]
    powers = {name: feature_power(rows[name], y, task=task, seed=seed) for name in names}
    measure = "roc_auc" if task == BINARY else "rank correlation or r2"
    found = [
        _told(name, power, FAIL, f"`{name}` alone gives `{label}` with a {measure} of {power:.4g}: it holds the answer")
        for name, power in powers.items()
        if power > TELLING[task]
    ]
    if found or not powers:
        return found
    best = max(powers, key=lambda name: powers[name])
    told = f"the most telling column is `{best}` with a {measure} of {powers[best]:.3g} alone"
    return [_told(best, powers[best], PASS, told)]


def _told(column: str, power: float, outcome: str, reason: str) -> QualityFinding:
    return QualityFinding(
        kind="telling_column", outcome=outcome, column=column, rows=0, share=power, examples=(), reason=reason
    )


def _is_plain(kind: pl.DataType) -> bool:
    return not (kind.is_nested() or kind in (pl.Binary, pl.Object))
