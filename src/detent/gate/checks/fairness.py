"""`parity(by=sex) <= 0.1`: whether people of different groups are treated alike, by the bound on the bad side.

parity: share of rows answered 1 (score of at least the cut). opportunity: the same among rows whose label is 1 (equal
opportunity, Hardt, Price and Srebro 2016). odds: the larger of the differences among rows of either label (equalised
odds). Each is the largest difference between any two groups. parity_ratio: smallest over largest share answered 1 (the
four-fifths rule asks for 0.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from detent.errors import ProjectError
from detent.gate.evidence import Evidence
from detent.gate.requirements import place, require_rows
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.share import share_of
from detent.gate.slicing import Slices, absent, slices_of, told_small, too_small, unmeasured
from detent.gate.wording import number
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult, SliceResult
from detent.statistics.intervals import Interval
from detent.statistics.metrics import BINARY, UndefinedMetricError
from detent.statistics.spread import smallest_ratio, widest_difference

_AMONG = {"parity": (None,), "parity_ratio": (None,), "opportunity": (1.0,), "odds": (1.0, 0.0)}  # labels looked at
_WORDS = {None: "rows answered 1", 1.0: "rows of label 1 answered 1", 0.0: "rows of label 0 answered 1"}


class Fairness:
    """The largest difference between groups of what the model answers."""

    summary: ClassVar[str] = "Groups may not differ by more than so much in how often they are answered 1."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the bound of the disparity with the limit; a group that is too small leaves it open."""
        if evidence.task != BINARY:
            raise ProjectError(
                what=f"`{check.text}` needs a binary task",
                why="it counts answers of 1, and this task has none",
                fix="use `gap(mae, by=...)` for a number",
                where=place(check),
            )
        cut = slices_of(check, evidence)
        require_rows(evidence.y, evidence.task)
        if cut.gone:
            reason = f"no evaluation row has `{cut.column}` = {', '.join(cut.gone[:5])}, which is expected"
            return replace(concluded(check, REJECT, reason, rows=evidence.rows), slices=tuple(absent(cut)))
        if cut.small or len(cut.large) < 2:
            seen = told_small(cut) or "there is only one group"
            reason = f"{seen}: nothing is concluded from fewer than {evidence.min_slice} rows of a group"
            return replace(
                concluded(check, INCONCLUSIVE, reason, rows=evidence.rows),
                slices=tuple(too_small(cut, evidence, INCONCLUSIVE)),
            )
        return _compared(check, evidence, cut)


def _compared(check: Check, evidence: Evidence, cut: Slices) -> CheckResult:
    spread = smallest_ratio if check.metric == "parity_ratio" else widest_difference
    compared = [(label, _rates(check, evidence, cut, label)) for label in _AMONG[check.metric]]
    found = [(spread(rates), label, rates) for label, rates in compared]
    worst = min(found, key=lambda item: item[0].low) if spread is smallest_ratio else max(found, key=_upper)
    interval, label, rates = worst
    ranked = sorted(zip(cut.large, rates, strict=True), key=lambda item: item[1].value)
    least, most = (f"{part.value} {number(rate.value)}" for part, rate in (ranked[0], ranked[-1]))
    result = judged(
        check,
        # Which of two differences is larger is not known either: the bound is the larger of both bounds.
        replace(interval, value=max(item[0].value for item in found)) if len(found) > 1 else interval,
        rows=evidence.rows,
        subject=f"the {check.metric} over {len(cut.large)} groups of `{check.by}` is",
        note=f"share of {_WORDS[label]}: {least} to {most}",
    )
    return replace(result, slices=tuple(_told(cut, rates)))


def _upper(item: tuple[Interval, float | None, list[Interval]]) -> float:
    return item[0].high


def _rates(check: Check, evidence: Evidence, cut: Slices, label: float | None) -> list[Interval]:
    line = float(dict(check.arguments).get("cut", 0.5))
    rates = []
    for part in cut.large:
        rows = part.rows if label is None else part.rows[evidence.y[part.rows] == label]
        if not rows.size:
            raise UndefinedMetricError(
                what=f"no row of `{cut.column}` = {part.value} has the label {label:g}",
                why=f"{check.metric} compares the rows of that label between groups",
                fix="evaluate on more rows",
            )
        groups = None if evidence.groups is None else evidence.groups[rows]
        rates.append(share_of(evidence.score[rows] >= line, groups, two_sided(check)))
    return rates


def _told(cut: Slices, rates: Sequence[Interval]) -> list[SliceResult]:
    return [
        replace(
            unmeasured(cut.column, part.value, part.rows.size, PASS, "compared with the others"),
            metric=rate.value, low=rate.low, high=rate.high,
        )
        for part, rate in zip(cut.large, rates, strict=True)
    ]  # fmt: skip
