"""Verdicts that do not pass, and what the loop would know about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from detent.gate.explanation import About, Example, Explanation, Seen, explanation
from detent.gate.judge import judge
from detent.records.check import Verdict

from .builders import BINDING, NOW, check, evidence

HOSTILE = "J|FK </script><b onload=x>@everyone `& [Co](http://x)"
POLICY = (
    "roc_auc >= champion - 0.005", "each(roc_auc, by=origin) >= 0.70", "roc_auc >= 0.6", "latency_p99 <= 20ms",
    "gap(roc_auc, by=origin) <= 0.2", "size <= 50MB", "worst(roc_auc, by=origin) >= 0.65", "roc_auc better by 2%",
    "log_loss <= champion + 0.01", "ece <= 0.01", "brier <= 0.1",
)  # fmt: skip


def refused(*policy: str, noise: float = 1.4, slices: str = HOSTILE, **parts: Any) -> Verdict:
    """Return a verdict on a noisy model, one of whose slices is named by somebody hostile."""
    found = evidence(2000, noise=noise, **parts)
    renamed = pl.when(pl.col("origin") == "JFK").then(pl.lit(slices)).otherwise(pl.col("origin")).alias("origin")
    found = replace(found, columns=found.columns.with_columns(renamed))
    return judge([check(text) for text in policy or POLICY], found, binding=BINDING, now=NOW)


def explained(verdict: Verdict, **parts: Any) -> Explanation:
    """Return what the loop would make of it: ten rows, three differences."""
    rows = tuple(Example(key=f"{HOSTILE} {number}", label=1.0, candidate=0.1234, champion=0.73) for number in range(10))
    changed = tuple(f"parameters: {HOSTILE} {number}" for number in range(6))
    about = About(
        model="flights", verdict=verdict.id, judged_at=verdict.judged_at, run="run-0012", champion="version 3"
    )
    seen = Seen(examples=rows, examples_of=f"origin={HOSTILE}", changed=changed)
    return explanation(verdict, about, parts.get("seen", seen))
