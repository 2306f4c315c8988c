"""`gap(roc_auc, by=origin) <= 0.08`: how far apart the metric is between slices of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.measure import measured
from detent.gate.named import metric_of
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded, judged
from detent.gate.slicing import Slice, Slices, absent, slices_of, told_small, too_small, unmeasured
from detent.gate.wording import count, number
from detent.records.check import INCONCLUSIVE, LEFT_OUT, PASS, REJECT, Check, CheckResult, SliceResult
from detent.statistics.intervals import Interval
from detent.statistics.metrics import Metric, UndefinedMetricError
from detent.statistics.spread import widest_difference


class Gap:
    """Largest minus smallest value of a metric over the slices of a column."""

    summary: ClassVar[str] = "A metric may not differ by more than so much between the values of a column."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the upper bound of the gap with the threshold; small slices are left out, and the reason says so."""
        metric = metric_of(check, evidence)
        cut = slices_of(check, evidence)
        require_rows(evidence.y, evidence.task)
        found = {part.value: _value(metric, check, evidence, part) for part in cut.large}
        known = {value: interval for value, interval in found.items() if interval is not None}
        slices = (*absent(cut), *_told(cut, found), *too_small(cut, evidence, LEFT_OUT))
        return replace(_judged(check, evidence, metric, cut, known), slices=slices)


def _value(metric: Metric, check: Check, evidence: Evidence, part: Slice) -> Interval | None:
    try:
        return measured(metric, check, evidence, part.rows)
    except UndefinedMetricError:
        return None


def _judged(check: Check, evidence: Evidence, metric: Metric, cut: Slices, known: dict[str, Interval]) -> CheckResult:
    undefined = [part.value for part in cut.large if part.value not in known]
    note = _left_out(cut, undefined, metric)
    if cut.gone:
        reason = f"no evaluation row has `{cut.column}` = {', '.join(cut.gone[:5])}, which is expected"
        return concluded(check, REJECT, reason, rows=evidence.rows)
    if len(known) < 2:
        seen = f"only one slice of `{check.by}`" if known else f"no slice of `{check.by}`"
        reason = f"{seen} has {evidence.min_slice} rows and a value of {metric.name}, so there is no gap to measure"
        return concluded(check, INCONCLUSIVE, reason + note, rows=evidence.rows)
    ranked = sorted(known, key=lambda value: known[value].value, reverse=metric.higher_is_better)
    sizes = {part.value: part.rows.size for part in cut.large}
    best, worst = (f"{name} {number(known[name].value)} ({count(sizes[name])})" for name in (ranked[0], ranked[-1]))
    return judged(
        check,
        widest_difference(list(known.values())),
        rows=sum(sizes[value] for value in known),
        subject=f"the gap of {metric.name} over {len(known)} slices of `{check.by}` is",
        note=f"worst {worst}, best {best}{note}",
    )


def _told(cut: Slices, found: dict[str, Interval | None]) -> list[SliceResult]:
    told = []
    for part in cut.large:
        interval, rows = found[part.value], part.rows.size
        if interval is None:
            told.append(unmeasured(cut.column, part.value, rows, LEFT_OUT, "the metric has no value here"))
            continue
        plain = unmeasured(cut.column, part.value, rows, PASS, "compared with the others")
        told.append(replace(plain, metric=interval.value, low=interval.low, high=interval.high))
    return told


def _left_out(cut: Slices, undefined: list[str], metric: Metric) -> str:
    parts = [f"{told_small(cut)} left out"] if cut.small else []
    if undefined:
        parts.append(f"{metric.name} has no value for {', '.join(undefined[:5])}")
    return "".join(f"; {part}" for part in parts)
