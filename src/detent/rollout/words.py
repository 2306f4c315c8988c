"""Numbers as people read them."""

from __future__ import annotations

from datetime import timedelta

from detent.records.project import RolloutPlan
from detent.records.rollout import FAILURES, SLOW, SLOWER, Rollout

# Kinds of bad events as people read them.
NAMES = {FAILURES: "failures", SLOW: "slow answers", SLOWER: "answers slower than p95"}
LARGEST = 1e4  # ratio beyond which figures mean nothing


def count(number: int, noun: str) -> str:
    """Write "1 request", "2,000 requests"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def odds(evidence: float) -> str:
    """Write an e-value as odds: "500 to 1"."""
    if evidence >= 1e6:
        return "over a million to 1"
    return f"{evidence:,.0f} to 1" if evidence >= 10 else f"{evidence:.2g} to 1"


def span(length: timedelta) -> str:
    """Write a duration in its largest fitting unit: "36 h", "5 min"."""
    seconds = length.total_seconds()
    for unit, size in (("days", 172_800), ("h", 7200), ("min", 120)):
        if seconds >= size:
            number = seconds / {"days": 86_400, "h": 3600, "min": 60}[unit]
            return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
    return f"{seconds:.3g} s"


def times(ratio: float | None, low: float, high: float) -> str:
    """Write a ratio with its confidence sequence: "4.8x (95 %: 2.1x to 11x)"."""
    if ratio is None:
        return "unknown, nothing bad happened"
    top = "any" if high >= LARGEST else f"{high:.3g}x"
    likely = "over 1,000x" if ratio >= LARGEST / 10 else f"{ratio:.3g}x"
    return f"{likely} (95 %: {low:.2g}x to {top})"


def rivals_of(rollout: Rollout) -> list[int]:
    """Return the versions that are compared with the champion."""
    return [arm.version for arm in rollout.arms if arm.version != rollout.champion] or [rollout.candidate]


def candidates(rollout: Rollout) -> str:
    """Name them: "version 4", "versions 4 and 5"."""
    *first, last = map(str, rivals_of(rollout))
    return f"versions {', '.join(first)} and {last}" if first else f"version {last}"


def standing(plan: RolloutPlan, rollout: Rollout) -> str:
    """Say where a rollout stands: "version 4 at 10%", "version 4 at 50 %, version 3 at 50 %"."""
    if rollout.arms:
        return ", ".join(f"version {arm.version} at {arm.weight / 100:g} %" for arm in rollout.arms)
    known = rollout.stage < len(plan.stages)
    return f"version {rollout.candidate} at {plan.stages[rollout.stage].name if known else f'stage {rollout.stage}'}"
