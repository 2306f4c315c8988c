"""`robustness(roc_auc, missing=humid) <= 0.05`: what it costs when an input fails.

The same rows are scored as they are and with one input spoiled; the metric may become worse by so much, by its bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detent.errors import ProjectError
from detent.gate.declared import Stressed
from detent.gate.evidence import Evidence
from detent.gate.measure import difference, known_on
from detent.gate.named import metric_of
from detent.gate.requirements import place, require_rows
from detent.gate.rule import concluded, judged
from detent.gate.wording import count, number
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.intervals import Interval
from detent.statistics.metrics import Metric

ANY = "any"  # in place of a column: every input that can be so
_WORDS = {
    "missing": "is missing",
    "shifted": "is one standard deviation too high",
    "scaled": "is a thousand times too large",
    "shuffled": "is another row's",
    "stale": "stays as it was at first",
}


class Robustness:
    """How much worse a metric becomes when an input is missing, shifted, scaled, shuffled or stale."""

    summary: ClassVar[str] = "A metric may not drop by more than so much when an input fails, by its bound."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Compare the bound of the largest drop with the limit; a model that gives no scores is rejected."""
        metric = metric_of(check, evidence)
        if metric.goal is not None:
            raise ProjectError(
                what=f"`{check.text}` can't be judged: {metric.name} is best at {metric.goal:g}, not when high or low",
                why="a drop is a step to the worse side",
                fix="use a metric that has one, such as brier",
                where=place(check),
            )
        found = evidence.stressed
        if found is None:
            return concluded(check, INCONCLUSIVE, "the candidate was not put under stress", rows=0)
        require_rows(evidence.y[found.rows], evidence.task)
        stress, column = check.arguments[0]
        names = _columns(found, stress, column)
        fault = next((told for name in names if (told := _fault(found, stress, name))), "")
        if fault:
            return concluded(check, REJECT, fault, rows=len(found.rows))
        if not names:
            reason = f"no input can be {stress}: `{'`, `'.join(found.closed.get(stress, ())[:5])}` are refused if so"
            return concluded(check, PASS, reason, rows=len(found.rows))
        return _judged(check, evidence, metric, found)


def _columns(found: Stressed, stress: str, column: str) -> list[str]:
    if column != ANY:
        return [column]
    known = (key.partition(":") for key in (*found.scores, *found.refused))
    return sorted(name for kind, _, name in known if kind == stress)


def _fault(found: Stressed, stress: str, name: str) -> str:
    """Return why a model gave no usable scores; nothing when it did."""
    key = f"{stress}:{name}"
    if key in found.refused:
        return f"when `{name}` {_WORDS[stress]}, the model gives no answer: {found.refused[key]}"
    bad = int(np.count_nonzero(~np.isfinite(found.scores[key])))
    return (
        f"when `{name}` {_WORDS[stress]}, {bad:,} of {count(len(found.rows), 'score')} are NaN or infinite"
        if bad
        else ""
    )


def _judged(check: Check, evidence: Evidence, metric: Metric, found: Stressed) -> CheckResult:
    stress, column = check.arguments[0]
    drops = {
        name: _drop(check, evidence, metric, found, found.scores[f"{stress}:{name}"])
        for name in _columns(found, stress, column)
    }
    worst = max(drops, key=lambda name: drops[name].value)
    # Which input costs most is not known either, so the bound is the largest of all: each of them must hold.
    interval = replace(drops[worst], high=max(drop.high for drop in drops.values()))
    whole = known_on(metric, evidence, found.rows)
    plain = whole.compute(evidence.y[found.rows], evidence.score[found.rows])
    spoiled = whole.compute(evidence.y[found.rows], found.scores[f"{stress}:{worst}"])
    case = f"when `{worst}` {_WORDS[stress]}"
    return judged(
        check,
        interval,
        rows=len(found.rows),
        subject=f"{check.metric} is {number(plain)}, and {number(spoiled)} {case}; the drop is",
        note=_others(drops, worst, found.closed.get(stress, ()) if column == ANY else ()),
    )


def _drop(check: Check, evidence: Evidence, metric: Metric, found: Stressed, scores: NDArray[np.float64]) -> Interval:
    spoiled = np.full_like(evidence.score, np.nan)
    spoiled[found.rows] = scores
    lost = difference(metric, check, replace(evidence, champion=spoiled), found.rows)
    if metric.higher_is_better:
        return lost
    return Interval(value=-lost.value, low=-lost.high, high=-lost.low, sd=lost.sd)


def _others(drops: dict[str, Interval], worst: str, closed: tuple[str, ...]) -> str:
    """Name the next inputs, and those that can't be so."""
    ranked = sorted((name for name in drops if name != worst), key=lambda name: -drops[name].value)
    told = [f"next {', '.join(f'`{name}` {number(drops[name].value)}' for name in ranked[:2])}"] if ranked else []
    if closed:
        told.append(f"{count(len(closed), 'input')} can't be so and would be refused")
    return "; ".join(told)
