"""`each(roc_auc, by=origin) >= champion - 0.03`, `worst(roc_auc, by=origin) >= 0.6`: a rule for every slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.measure import difference, known_on, measured
from detent.gate.named import metric_of
from detent.gate.opponent import demand, oriented
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded, holds, rows_needed, rule_text
from detent.gate.slicing import Slice, Slices, absent, slices_of, told_small, too_small, unmeasured
from detent.gate.wording import count, number, percent
from detent.records.check import (
    INCONCLUSIVE,
    LEFT_OUT,
    NO_CHAMPION,
    PASS,
    REJECT,
    Check,
    CheckResult,
    SliceResult,
)
from detent.statistics.intervals import Interval, z_value
from detent.statistics.metrics import Metric, UndefinedMetricError
from detent.statistics.multiple import above_p, holm


class Each:
    """Every slice of a column, the small ones too: what can't be said of one can't be said of all."""

    summary: ClassVar[str] = "A metric must hold in every slice of a column; a slice that is too small is inconclusive."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Judge every slice; the check passes when all of them surely hold."""
        return _judge(check, evidence, of_small=INCONCLUSIVE)


class Worst:
    """The worst of the slices that are large enough."""

    summary: ClassVar[str] = (
        "A metric must hold in the worst slice of a column; slices that are too small are left out."
    )

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Judge every large slice; the check passes when all of them surely hold."""
        return _judge(check, evidence, of_small=LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One slice: the number that the rule is about, and what it comes from."""

    part: Slice
    line: Check  # the rule, with this slice's threshold
    interval: Interval
    champion: float | None

    @property
    def margin(self) -> float:
        """Return how far the value is on the good side of the threshold."""
        distance = self.interval.value - self.line.threshold
        return distance if self.line.op.startswith(">") else -distance


def _judge(check: Check, evidence: Evidence, *, of_small: str) -> CheckResult:
    metric = metric_of(check, evidence)
    line = oriented(check, metric)
    cut = slices_of(check, evidence)
    if check.against and evidence.champion is None:
        passed = concluded(check, PASS, "there is no champion to compare with", rows=evidence.rows)
        return replace(passed, stamp=NO_CHAMPION)
    require_rows(evidence.y, evidence.task)
    known: list[_Measured] = []
    unknown: list[SliceResult] = []
    for part in cut.large:
        try:
            known.append(_measure(metric, line, evidence, part))
        except UndefinedMetricError as error:
            unknown.append(unmeasured(cut.column, part.value, part.rows.size, INCONCLUSIVE, error.what))
    told = [*absent(cut), *_decided(cut, known), *unknown, *too_small(cut, evidence, of_small)]
    return _concluded(line, evidence, cut, known, told)


def _measure(metric: Metric, line: Check, evidence: Evidence, part: Slice) -> _Measured:
    if not line.against or evidence.champion is None:
        return _Measured(part=part, line=line, interval=measured(metric, line, evidence, part.rows), champion=None)
    theirs = known_on(metric, evidence, part.rows).compute(evidence.y[part.rows], evidence.champion[part.rows])
    asked = demand(line, theirs)
    interval = asked.as_difference(difference(metric, line, evidence, part.rows, factor=asked.factor))
    here = replace(line, threshold=asked.margin + asked.share)
    return _Measured(part=part, line=here, interval=interval, champion=theirs)


def _decided(cut: Slices, known: Sequence[_Measured]) -> list[SliceResult]:
    """Decide every slice, corrected for their number by Holm: good where surely good, bad where surely bad.

    The chance of calling even one slice good that is not is at most alpha, and so is that of calling one bad that is
    good.
    """
    good = holm([_p(item, good=True) for item in known])
    bad = holm([_p(item, good=False) for item in known])
    return [_result(cut, item, sure_good, sure_bad) for item, sure_good, sure_bad in zip(known, good, bad, strict=True)]


def _p(item: _Measured, *, good: bool) -> float:
    """Return the p value of "this slice does not hold" (or, of "it does").

    The standard error is taken from the interval's own bound on that side, which knows rates near 1 and areas near 1.
    """
    interval, line = item.interval, item.line
    upward = line.op.startswith(">") == good
    distance = interval.value - interval.low if upward else interval.high - interval.value
    sd = distance / max(z_value(line.confidence), 1e-9) if line.confidence is not None else 0.0
    if sd <= 0.0:
        return 0.0 if holds(line, interval.value) == good else 1.0
    sign = 1.0 if upward else -1.0
    return above_p(sign * interval.value, sd, sign * line.threshold)


def _result(cut: Slices, item: _Measured, good: float, bad: float) -> SliceResult:
    alpha = 1.0 - (item.line.confidence or 0.5)
    decision = PASS if good <= alpha else REJECT if bad <= alpha else INCONCLUSIVE
    words = {PASS: "surely holds", REJECT: "surely does not hold", INCONCLUSIVE: "may or may not hold"}
    if item.line.confidence is None:
        words = {PASS: "holds, by estimate", REJECT: "does not hold, by estimate"}
    plain = unmeasured(cut.column, item.part.value, item.part.rows.size, decision, words[decision])
    return replace(
        plain,
        metric=item.interval.value,
        low=item.interval.low,
        high=item.interval.high,
        champion=item.champion,
        p_value=good,
    )


def _concluded(
    line: Check, evidence: Evidence, cut: Slices, known: Sequence[_Measured], told: Sequence[SliceResult]
) -> CheckResult:
    decisions = {part.decision for part in told}
    decision = REJECT if REJECT in decisions else INCONCLUSIVE if INCONCLUSIVE in decisions or not known else PASS
    rows = sum(item.part.rows.size for item in known)
    worst = min(known, key=lambda item: item.margin, default=None)
    result = concluded(line, decision, _reason(line, cut, decision, worst, told), rows=rows)
    if worst is None:
        return replace(result, slices=tuple(told))
    return replace(
        result,
        value=worst.interval.value,
        low=worst.interval.low,
        high=worst.interval.high,
        threshold=worst.line.threshold,
        slices=tuple(told),
        needed=_needed(worst, evidence) if decision == INCONCLUSIVE else None,
    )


def _reason(line: Check, cut: Slices, decision: str, worst: _Measured | None, told: Sequence[SliceResult]) -> str:
    small = f"; {told_small(cut)} too small to judge" if cut.small else ""
    if cut.gone:
        return f"no evaluation row has `{cut.column}` = {', '.join(cut.gone[:5])}, which is expected"
    if worst is None:
        return f"no slice of `{cut.column}` can be judged{small}"
    what = f"the difference of {line.metric} from the champion's" if line.against else line.metric
    guilty = [part for part in told if part.decision == decision and part.metric is not None]
    judged = sum(part.metric is not None for part in told)
    if decision == PASS or not guilty:
        return f"{what} holds in {judged} slices of `{cut.column}`; worst {_told(worst)}{small}"
    named = ", ".join(part.value for part in guilty[:5])
    verb = "surely fails" if decision == REJECT else "is not certain"
    return f"{what} {verb} in {len(guilty)} of {judged} slices of `{cut.column}` ({named}); worst {_told(worst)}{small}"


def _told(item: _Measured) -> str:
    side, bound = ("lower", item.interval.low) if item.line.op.startswith(">") else ("upper", item.interval.high)
    sure = "" if item.line.confidence is None else f", {side} {percent(item.line.confidence)} bound {number(bound)}"
    told = f"{item.part.value} {number(item.interval.value)} ({count(item.part.rows.size)}{sure}"
    return f"{told}; {rule_text(item.line)} is asked)"


def _needed(worst: _Measured, evidence: Evidence) -> int | None:
    """Return how many evaluation rows in all would settle the worst slice, at its share of them."""
    size = worst.part.rows.size
    rows = rows_needed(size, worst.interval, worst.line.threshold, worst.line.confidence or 0.95)
    return None if rows is None or rows > 10**7 else round(rows * evidence.rows / size)
