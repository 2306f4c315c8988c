"""When each tool would have rolled a trace's canary back: the second of the decision, or None.

The rules of Flagger and Argo Rollouts are written out from their sources and documents, with the thresholds of their
own examples. They look at the canary alone and know nothing about labels.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from traces import HOURS, LABEL_DELAY, LIMIT, MEDIAN, SPREAD, WEIGHT, Trace

from detent.records.project import RolloutPlan, Stage
from detent.records.rollout import ROLL_BACK, ArmTally, Bad, Difference, Rollout, Tally
from detent.rollout import Look, decide
from detent.statistics.sequences import arm_mean

MINUTE = 60.0
SUCCESS = 0.99  # Flagger's request-success-rate of at least 99 %; Argo's example has 0.95 or 0.99
LATENCY = 0.5  # Flagger's request-duration of at most 500 ms at p99; the fair limit here is LIMIT
P95 = MEDIAN * float(np.exp(1.645 * SPREAD))
T0 = datetime(2026, 1, 1, tzinfo=UTC)

Rule = Callable[[Trace], float | None]


def flagger(trace: Trace) -> float | None:
    """Each minute: success rate < 99 % or p99 above the limit is a failed check, and so is a minute without data.

    `threshold: 5` failed checks in all roll back; failed checks are never forgotten (pkg/controller/scheduler.go).
    """
    failed = 0
    for end, rows in _minutes(trace):
        bad = not len(rows) or _success(trace, rows) < SUCCESS or np.quantile(trace.seconds[rows], 0.99) > LIMIT
        failed += int(bad)
        if failed >= 5:
            return end
    return None


def argo(trace: Trace, *, limit: int) -> float | None:
    """Each minute: `successCondition: result[0] >= 0.99` on the success rate, and p99 within the limit.

    More than `failureLimit` failed measurements of a metric abort (the default is 0: the first one). A minute without
    data gives NaN, which the documents tell to accept.
    """
    errors = slow = 0
    for end, rows in _minutes(trace):
        if not len(rows):
            continue
        errors += int(_success(trace, rows) < SUCCESS)
        slow += int(np.quantile(trace.seconds[rows], 0.99) > LIMIT)
        if max(errors, slow) > limit:
            return end
    return None


def argo_first(trace: Trace) -> float | None:
    """Argo Rollouts as it comes: failureLimit 0."""
    return argo(trace, limit=0)


def argo_third(trace: Trace) -> float | None:
    """Argo Rollouts with failureLimit 3, as its documents show."""
    return argo(trace, limit=3)


def detent(trace: Trace) -> float | None:
    """The decision of this project at its defaults, looking each second; labels are joined every five minutes."""
    plan = RolloutPlan(
        stages=(Stage(name="5%", weight=500), Stage(name="100%", weight=10_000)),
        min_requests=100,
        min_time=timedelta(days=1),
        max_time=timedelta(days=7),
        alpha=0.002,
    )
    rollout = Rollout(
        id="bench-1", model="m", endpoint="e", candidate=2, champion=1, stage=0, stage_since=T0.isoformat(),
        started_at=T0.isoformat(), state="running", reason="", slow=LIMIT, slower=P95,
    )  # fmt: skip
    sums = _Sums(trace)
    labels: tuple[Difference, ...] = ()
    before = -1
    for second in range(1, HOURS * 3600):
        rows = int(np.searchsorted(trace.time, second))
        joined = second % 300 == 0
        if joined:
            labels = _labels(trace, second)
        events = sums.events(rows)
        if not joined and events == before:
            continue  # nothing bad has happened since: evidence of harm can't have grown
        before = events
        look = Look(tallies=(sums.tally(rows),), entities=rows, differences=labels)
        if decide(plan, rollout, look, now=T0 + timedelta(seconds=second)).action == ROLL_BACK:
            return float(second)
    return None


RULES: dict[str, Rule] = {
    "detent": detent,
    "Flagger, threshold 5": flagger,
    "Argo Rollouts, failureLimit 0": argo_first,
    "Argo Rollouts, failureLimit 3": argo_third,
}


class _Sums:
    """Running counts of a trace: what was seen after so many rows."""

    def __init__(self, trace: Trace) -> None:
        kinds = {
            "failures": trace.failed,
            "slow": trace.seconds > LIMIT,
            "slower": trace.seconds > P95,
            "requests": np.ones(len(trace.time), dtype=bool),
        }
        self._ours = {name: np.cumsum(mark & trace.canary) for name, mark in kinds.items()}
        self._theirs = {name: np.cumsum(mark & ~trace.canary) for name, mark in kinds.items()}

    def events(self, rows: int) -> int:
        """Return how many bad events the canary has."""
        return sum(int(self._ours[name][rows - 1]) for name in ("failures", "slow", "slower")) if rows else 0

    def tally(self, rows: int) -> Tally:
        """Return the counts of the first rows."""
        return Tally(
            version=2, weight=WEIGHT * 10_000, candidate=_arm(self._ours, rows), champion=_arm(self._theirs, rows)
        )


def _arm(sums: dict[str, NDArray[np.int64]], rows: int) -> ArmTally:
    found = {name: int(values[rows - 1]) if rows else 0 for name, values in sums.items()}
    bad = {name: Bad(events=found[name], independent=found[name]) for name in ("failures", "slow", "slower")}
    return ArmTally(requests=found["requests"], failures=bad["failures"], slow=bad["slow"], slower=bad["slower"])


def _labels(trace: Trace, second: float) -> tuple[Difference, ...]:
    rows = int(np.searchsorted(trace.time, second - LABEL_DELAY))
    own = trace.canary[:rows]
    ours = int(own.sum())
    if min(ours, rows - ours) < 2:
        return ()
    mean = arm_mean(trace.loss[:rows], own, np.where(own, WEIGHT, 1 - WEIGHT))
    return (
        Difference(
            name="loss", version=2, source="arms", rows=rows, candidate_rows=ours, champion_rows=rows - ours,
            mean=mean.mean, variance=mean.variance, candidate_matured=ours, champion_matured=rows - ours,
        ),
    )  # fmt: skip


def _minutes(trace: Trace) -> list[tuple[float, NDArray[np.int64]]]:
    own = np.flatnonzero(trace.canary)
    edges = np.arange(MINUTE, HOURS * 3600 + 1, MINUTE)
    cuts = np.searchsorted(trace.time[own], edges)
    return [(float(end), own[first:last]) for end, first, last in zip(edges, [0, *cuts[:-1]], cuts, strict=True)]


def _success(trace: Trace, rows: NDArray[np.int64]) -> float:
    return float(1 - trace.failed[rows].mean())
