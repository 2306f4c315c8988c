"""What a line asks of the candidate when it names the champion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detent.errors import ProjectError
from detent.gate.requirements import place
from detent.gate.wording import number
from detent.records.check import BETTER, Check
from detent.statistics.intervals import Interval
from detent.statistics.metrics import Metric, UndefinedMetricError


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """`candidate - factor * champion` must hold against `margin`."""

    factor: float
    margin: float
    champion: float  # the champion's value on the same rows

    @property
    def share(self) -> float:
        """Return what a relative margin is worth on these rows, in the metric's unit."""
        return (self.factor - 1.0) * self.champion

    def as_difference(self, interval: Interval) -> Interval:
        """Return the interval of `candidate - factor * champion` as one of the difference candidate - champion."""
        return Interval(
            value=interval.value + self.share,
            low=interval.low + self.share,
            high=interval.high + self.share,
            sd=interval.sd,
        )


def oriented(check: Check, metric: Metric) -> Check:
    """Return the check with a comparison that a worse model breaks; `better by` follows the metric.

    Raises:
        ProjectError: only a better model could break the rule, or the metric has no better and worse side.
    """
    if metric.goal is not None:
        raise ProjectError(
            what=f"`{check.text}` can't be judged: {metric.name} is best at {metric.goal:g}, not when high or low",
            why="against a champion, or from slice to slice, a metric must have one side that is better",
            fix=f"bound it on both sides: `{metric.name} >= ...` and `{metric.name} <= ...`",
            where=place(check),
        )
    if check.op == BETTER:
        gain = check.threshold if metric.higher_is_better else -check.threshold
        op = ">=" if metric.higher_is_better else "<="
        return replace(check, op=op, threshold=-gain if check.slack else gain)
    if check.op.startswith(">") == metric.higher_is_better:
        return check
    better, op = ("higher", ">=") if metric.higher_is_better else ("lower", "<=")
    goal = f"champion {'-' if op == '>=' else '+'} ..." if check.against else "..."
    raise ProjectError(
        what=f"`{check.text}` would let every worse model pass",
        why=f"{metric.name} is better when it is {better}, so `{check.op}` bounds how much better a model may be",
        fix=f"write `{metric.name} {op} {goal}`",
        where=place(check),
    )


def demand(check: Check, champion: float) -> Demand:
    """Return what an oriented check asks beside a champion of this value.

    Raises:
        UndefinedMetricError: a share is asked of a value that is not above 0.
    """
    if not check.relative:
        return Demand(factor=1.0, margin=check.threshold, champion=champion)
    if champion <= 0.0:
        raise UndefinedMetricError(
            what=f"the champion's {check.metric} is {number(champion)}",
            why="a share of a value that is not above 0 is no margin",
            fix="give the margin as a number: champion - 0.01",
        )
    return Demand(factor=1.0 + check.threshold, margin=0.0, champion=champion)
