"""Hold a table against its promises. Pure: whatever happened before and elsewhere is an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detent.data.expect.finding import Finding, Table
from detent.data.expect.measure import judge_freshness, judge_statistic
from detent.data.expect.rows import BY_ROW, judge_check, judge_columns, judge_rows
from detent.data.expect.shift import judge_shift
from detent.errors import DetentError
from detent.project.expect_forms import STATISTICS
from detent.records.expectation import FAIL, PASS, WARN, Expectation, ExpectationResult

ROW = "__row__"  # number of a failing row in its table, from 0
KEPT_ROWS = 1_000  # failing rows that are kept; all of them are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A result with the rows that broke the promise."""

    result: ExpectationResult
    failing: pl.DataFrame | None = None  # the first KEPT_ROWS of them, whole, with ROW as first column


def evaluate(
    frame: pl.DataFrame,
    expectations: Sequence[Expectation],
    *,
    last: pl.DataFrame | None,
    others: Mapping[str, pl.DataFrame],
    now: datetime,
) -> tuple[Checked, ...]:
    """Return one result per promise, in order. A promise that can't be checked is a broken one.

    Args:
        frame: the rows as ingested: datetimes in UTC.
        expectations: what they promise.
        last: rows of the last snapshot that passed; None: there is none, and comparisons with it are kept.
        others: rows of every dataset by name, for `exists`.
        now: the moment that `freshness` counts from.
    """
    table = Table(frame=frame, last=last, others=others, now=now)
    return tuple(_judge(table, expectation) for expectation in expectations)


def worst(results: Sequence[ExpectationResult]) -> str:
    """Return the worst outcome: "fail", "warn" or "pass"."""
    outcomes = {result.outcome for result in results}
    return FAIL if FAIL in outcomes else WARN if WARN in outcomes else PASS


def columns_compared(expectations: Sequence[Expectation]) -> tuple[str, ...]:
    """Return the columns of the last good snapshot that the promises need; () also when only its rows are counted."""
    return tuple(dict.fromkeys(name for promise in expectations if promise.last for name in promise.columns))


def failing_rows(frame: pl.DataFrame, broken: pl.Series) -> pl.DataFrame:
    """Return the first failing rows, whole, with their numbers."""
    return frame.with_row_index(ROW).filter(broken).head(KEPT_ROWS)


def _judge(table: Table, expectation: Expectation) -> Checked:
    try:
        finding = _judge_of(expectation.name)(table, expectation)
    except DetentError as error:
        finding = _impossible(table, f"{error.what}: {error.why}; {error.fix}")
    except (pl.exceptions.PolarsError, TypeError, ValueError, ArithmeticError) as error:
        finding = _impossible(table, (str(error).splitlines() or [type(error).__name__])[0])
    return checked_of(table.frame, expectation, finding)


def checked_of(frame: pl.DataFrame, expectation: Expectation, finding: Finding) -> Checked:
    """Turn a finding into a result of the promise's severity, with the rows that broke it."""
    failing = 0 if finding.broken is None else int(finding.broken.sum())
    result = ExpectationResult(
        expectation=expectation.text,
        severity=expectation.severity,
        outcome=PASS if finding.kept else expectation.severity,
        value=_steady(finding.value),
        threshold=_steady(finding.threshold),
        rows=finding.rows,
        failing=failing,
        reason=finding.reason,
        columns=expectation.columns or _columns_of(expectation),
    )
    rows = None if finding.broken is None or not failing else failing_rows(frame, finding.broken)
    return Checked(result=result, failing=rows)


def _columns_of(expectation: Expectation) -> tuple[str, ...]:
    """Return the columns of an SQL expression, in its order; () when it is none."""
    try:
        names = pl.sql_expr(expectation.argument).meta.root_names() if expectation.name == "check" else []
    except pl.exceptions.PolarsError:
        names = []
    return tuple(dict.fromkeys(names))


def _judge_of(name: str) -> Callable[[Table, Expectation], Finding]:
    if name in BY_ROW:
        return judge_rows
    if name in STATISTICS or name in ("rows", "quantile"):
        return judge_statistic
    others = {
        "psi": judge_shift, "ks": judge_shift, "freshness": judge_freshness, "check": judge_check, "has": judge_columns,
    }  # fmt: skip
    return others.get(name, _judge_nothing)


def _judge_nothing(table: Table, expectation: Expectation) -> Finding:
    """Answer for a promise that came from elsewhere and has no judge here."""
    return _impossible(table, expectation.note or f"nobody knows `{expectation.name}`")


def _impossible(table: Table, why: str) -> Finding:
    return Finding(
        kept=False, reason=f"it could not be checked, and that counts as broken: {why}", rows=table.frame.height
    )


def _steady(value: float | None) -> float | None:
    """Round to 12 significant digits: sums in another order differ in the last ones."""
    return None if value is None else float(f"{value:.12g}")
