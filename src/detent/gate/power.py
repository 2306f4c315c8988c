"""Before training: what each check of the gate can see on so many rows, and how many rows it takes.

Nothing is scored. The standard error comes from the interval that the last verdict states; it shrinks with the root of
the rows (normal approximation, one-sided, 80 % power), and alpha is what the next candidate on these rows has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt

from detent.errors import ProjectError
from detent.gate.opponent import oriented
from detent.gate.requirements import MIN_ROWS
from detent.gate.spend import spend
from detent.gate.wording import number
from detent.records.check import BETTER, Check, CheckResult, Verdict
from detent.statistics.detectable import detectable, rows_for
from detent.statistics.intervals import z_value
from detent.statistics.metrics import named

MOST = 10_000_000  # rows; more is no advice
TWIN = 0.1  # a difference that varies less than this share of what two strangers' would is that of a twin
ON_MACHINE = ("latency", "size", "memory", "cost")
OF_SLICES = ("each", "worst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeable:
    """What one line of the gate section can see."""

    check: str
    rows: int = 0  # that decide it: those of its hardest slice, where it is about slices
    sees: float | None = None  # smallest distance from the limit that is seen in 4 of 5 cases; None: see `note`
    truth: str = ""  # what must be true so that it passes in 4 of 5 cases: ">= 0.6623"
    needed: int | None = None  # evaluation rows in all for what is asked; None: see `goal`
    goal: str = ""  # what `needed` is for: "for an equal model"
    note: str = ""  # why nothing is said, or how it was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a result tells of a metric: one row's standard deviation, on so many rows."""

    sd: float
    rows: int
    tests: int = 1  # slices that share alpha
    where: str = ""


def power_plan(
    checks: Sequence[Check], verdict: Verdict, *, rows: int, on: int, candidates: int
) -> tuple[Seeable, ...]:
    """Return what each line can see.

    Args:
        checks: the gate section.
        verdict: the last one; its intervals say how much each metric varies.
        rows: evaluation rows of that verdict.
        on: evaluation rows that are planned for.
        candidates: place of the next candidate among those judged on the planned rows, from 1.
    """
    known = {result.check: result for result in verdict.results}
    alone = {check.metric: known[check.text] for check in checks if check.kind == "threshold" and check.text in known}
    return tuple(_seeable(check, known.get(check.text), alone, on / rows, candidates) for check in checks)


def _seeable(
    check: Check, result: CheckResult | None, alone: Mapping[str, CheckResult], more: float, candidates: int
) -> Seeable:
    if check.kind in ON_MACHINE or (result is not None and result.measured):
        return Seeable(check=check.text, note="measured on this machine, not from rows")
    if check.confidence is None:
        return Seeable(check=check.text, note="the value alone decides: at the limit, chance does")
    if result is None:
        return Seeable(
            check=check.text, note="not in the gate section of the last verdict: `detent gate rerun` measures it"
        )
    result, note = _telling(check, result, alone.get(check.metric))
    spread = _spread(result)
    line = None if result.threshold is None else _line(check, result.threshold)
    if spread is None or line is None:
        return Seeable(check=check.text, note="the last verdict gives no interval for it")
    alpha = spend(1.0 - check.confidence, candidates) / spread.tests
    return _seen(line, result, spread, more, alpha, note)


def _seen(line: Check, result: CheckResult, spread: Spread, more: float, alpha: float, note: str) -> Seeable:
    rows = max(1, round(spread.rows * more))
    sees = detectable(spread.sd, rows, alpha)
    up = line.op.startswith(">")
    wanted = line.threshold + sees if up else line.threshold - sees
    distance, goal = _goal(line, result, up)
    needed = None if distance is None else _rounded(rows_for(spread.sd, distance, alpha) * result.rows / spread.rows)
    needed = None if needed is None else max(needed, MIN_ROWS)
    if needed is not None and needed > MOST:
        needed, goal = None, "no number of rows settles so small a difference"
    return Seeable(
        check=line.text,
        rows=rows,
        sees=sees,
        truth=f"{'difference ' if line.kind == 'versus' else ''}{'>=' if up else '<='} {number(wanted)}",
        needed=needed,
        goal=goal,
        note="; ".join(part for part in (spread.where, note) if part),
    )


def _goal(line: Check, result: CheckResult, up: bool) -> tuple[float | None, str]:
    """Return the distance from the limit that is asked for, and in words whose it is."""
    if line.kind == "versus":
        ahead = line.threshold if up else -line.threshold
        if ahead < 0.0:
            return -ahead, "for a model that is as good as the champion"
        if ahead > 0.0:
            return ahead, f"to tell a difference of {number(ahead)} from none"
        return None, "an equal model passes by chance only: ask for `non_inferior by 1%`"
    distance = (result.value or 0.0) - line.threshold
    distance = distance if up else -distance
    if distance <= 0.0:
        return None, "the last model is on the wrong side of the limit"
    return distance, "for a model that is as good as the last one"


def _line(check: Check, threshold: float) -> Check | None:
    """Return the check with the limit that applied, and a comparison that a worse model breaks."""
    metric = named(check.metric)
    if check.op == BETTER and metric is None:
        return None
    try:
        return replace(oriented(check, metric) if metric and check.against else check, threshold=threshold)
    except ProjectError:
        return None


def _spread(result: CheckResult) -> Spread | None:
    """Return how much one row varies; of a check about slices that of the slice that is hardest to be sure of."""
    if result.alpha is None or result.alpha >= 0.5:
        return None
    z = z_value(1.0 - result.alpha)
    parts = [part for part in result.slices if part.low is not None and part.high is not None and part.rows > 0]
    if result.kind in OF_SLICES and parts:
        widest = max(parts, key=lambda part: (part.high or 0.0) - (part.low or 0.0))
        error = ((widest.high or 0.0) - (widest.low or 0.0)) / (2.0 * z)
        where = f"{widest.column}={widest.value}, {widest.rows:,} rows of it"
        return Spread(sd=error * sqrt(widest.rows), rows=widest.rows, tests=len(parts), where=where)
    if result.low is None or result.high is None or result.high <= result.low or not result.rows:
        return None
    return Spread(sd=(result.high - result.low) / (2.0 * z) * sqrt(result.rows), rows=result.rows)


def _telling(check: Check, result: CheckResult, alone: CheckResult | None) -> tuple[CheckResult, str]:
    """Return the result to plan by, and what must be said of it.

    A first model was compared with nothing, and a twin of the champion differs from it less than the next model will.
    Both are planned for as two models that know nothing of each other, which differ more than any two of one project.
    """
    if check.kind != "versus" or alone is None:
        return result, ""
    apart = _as_if_independent(check, result, alone)
    measured, most = _spread(result), _spread(apart)
    if most is None or (measured is not None and measured.sd >= TWIN * most.sd):
        return result, ""
    why = "no two models were compared yet" if result.stamp else "the last model hardly differs from the champion"
    return apart, f"at most: {why}"


def _as_if_independent(check: Check, result: CheckResult, alone: CheckResult) -> CheckResult:
    if alone.low is None or alone.high is None or alone.value is None:
        return result
    half = (alone.high - alone.low) / sqrt(2.0)
    threshold = check.threshold * alone.value if check.relative else check.threshold
    metric = named(check.metric)
    if check.op == BETTER and metric is not None:
        threshold = threshold if metric.higher_is_better else -threshold
        threshold = -threshold if check.slack else threshold
    return replace(
        result, value=0.0, low=-half, high=half, threshold=threshold, rows=alone.rows, alpha=alone.alpha, slices=()
    )


def _rounded(rows: float) -> int:
    """Round up to two digits."""
    digit = 10 ** max(0, len(str(int(rows))) - 2)
    return int(ceil(rows / digit) * digit)
