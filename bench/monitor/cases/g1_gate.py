"""How often rules that let a model through are wrong, and how often they are right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache as remember
from pathlib import Path

import numpy as np
from result import Result

from detent.gate.spend import spend
from detent.statistics.delong import delong
from detent.statistics.mcnemar import rate_difference
from detent.statistics.multiple import above_p

DISAGREEMENT = 0.1  # share of rows on which exactly one of the two models is right
ACCURACY = 0.8
TRIES = 20

Rule = Callable[[int, int, int], bool]


def run(cache: Path, *, quick: bool) -> Result:  # noqa: ARG001  (needs no other environment)
    """Draw pairs of models with a known gain, and ask each rule; then try twenty equal models on one holdout."""
    pairs = 400 if quick else 4000
    rows = [_row(name, rule, pairs) for name, rule in RULES.items()]
    naive, spent = _tries(40 if quick else 1000)
    return Result(
        title=f"G1: share of {pairs:,} pairs that a rule lets through",
        columns=("rule", *(f"{gain} at {n:,} rows" for gain in ("no gain", "+2 points") for n in SIZES)),
        rows=tuple(rows),
        notes=(
            f"Two models, right on {ACCURACY:.0%} of the rows, disagree on {DISAGREEMENT:.0%} of them.",
            f"{TRIES} models without a gain, tried on one holdout of 400 rows until one passes `roc_auc better by 0%`: "
            f"one passes in {naive:.2f} of all cases at 5 % each, and in {spent:.3f} when alpha is spent.",
        ),
    )


SIZES = (500, 2000, 10_000)


@remember
def _low(b: int, c: int, n: int) -> float:
    return rate_difference(b, c, n, 0.9).low


RULES: dict[str, Rule] = {
    "value above the champion's": lambda b, c, n: b / n > c / n,
    "value 2 % above the champion's": lambda b, c, n: (b - c) / n > 0.02 * ACCURACY,
    "accuracy better by 0% (bound)": lambda b, c, n: _low(b, c, n) > 0.0,
    "accuracy >= champion - 0.01 (bound)": lambda b, c, n: _low(b, c, n) >= -0.01,
}


def _row(name: str, rule: Rule, pairs: int) -> tuple[str, ...]:
    cells = []
    for gain in (0.0, 0.02):
        for n in SIZES:
            shares = [(DISAGREEMENT + gain) / 2, (DISAGREEMENT - gain) / 2, 1 - DISAGREEMENT]
            counts = np.random.default_rng(0).multinomial(n, shares, size=pairs)
            cells.append(f"{np.mean([rule(int(b), int(c), n) for b, c, _ in counts]):.2f}")
    return (name, *cells)


def _tries(runs: int) -> tuple[float, float]:
    naive = spent = 0
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        y = (draw.random(400) < 0.4).astype(float)
        shared = draw.normal(size=400)
        champion, *tried = (y + shared + 0.5 * draw.normal(size=400) for _ in range(TRIES + 1))
        gains = [delong(y, score, champion, confidence=0.9) for score in tried]
        p = [above_p(gain.value, gain.sd, 0.0) for gain in gains]
        naive += min(p) <= 0.05
        spent += any(chance <= spend(0.05, k) for k, chance in enumerate(p, start=1))
    return naive / runs, spent / runs
