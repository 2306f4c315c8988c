"""`monotone(distance, up) <= 1%`, `invariant(sex) <= 1%`: how answers move when one input moves and all else stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from detent.gate.evidence import Evidence
from detent.gate.rule import concluded, judged, two_sided
from detent.gate.share import share_of
from detent.gate.wording import count
from detent.records.check import INCONCLUSIVE, REJECT, Check, CheckResult

_NOISE = 1e-6  # of the largest score: below, two scores differ by rounding only
_MIN_ROWS = 100

Breaks = Callable[[NDArray[np.float64]], NDArray[np.bool_]]
"""Scores (rows, values of the input) -> which rows break the rule."""


class Monotone:
    """The answer never falls (or rises) while the input rises, row by row."""

    summary: ClassVar[str] = "At most such a share of rows may answer lower while an input rises (or higher: down)."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Bound the share of rows with a step to the wrong side; steps are quantiles of the column."""
        arguments = dict(check.arguments)
        sign = 1.0 if arguments["way"] == "up" else -1.0
        word = "falls" if arguments["way"] == "up" else "rises"

        def breaks(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
            return np.any(sign * np.diff(scores, axis=1) < -_noise(scores), axis=1)

        return _judged(check, evidence, breaks, f"its answer {word} somewhere while `{arguments['column']}` rises")


class Invariant:
    """The answer stays, whatever the input says, row by row."""

    summary: ClassVar[str] = "At most such a share of rows may answer otherwise when an input has another value."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Bound the share of rows whose answers over all values lie further apart than allowed."""
        arguments = dict(check.arguments)
        within = float(arguments.get("within", 0.0))

        def breaks(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
            return np.ptp(scores, axis=1) > within + _noise(scores)

        told = f"its answer changes{f' by more than {within:g}' if within else ''} with `{arguments['column']}`"
        return _judged(check, evidence, breaks, told)


def _noise(scores: NDArray[np.float64]) -> float:
    return _NOISE * max(1.0, float(np.abs(scores).max()))


def _judged(check: Check, evidence: Evidence, breaks: Breaks, told: str) -> CheckResult:
    scores = None if evidence.stressed is None else evidence.stressed.moved.get(check.text)
    column = dict(check.arguments)["column"]
    if evidence.stressed is None or scores is None:
        return concluded(check, INCONCLUSIVE, f"nobody moved `{column}`", rows=0)
    rows = evidence.stressed.rows
    if len(rows) < _MIN_ROWS:
        return concluded(check, INCONCLUSIVE, f"there are only {count(len(rows), 'evaluation row')}", rows=len(rows))
    if scores.shape[1] < 2:
        return concluded(check, INCONCLUSIVE, f"`{column}` has one value only, so nothing moves", rows=len(rows))
    bad = int(np.count_nonzero(~np.isfinite(scores)))
    if bad:
        reason = f"{bad:,} of {count(scores.size, 'score')} are NaN or infinite when `{column}` has another value"
        return concluded(check, REJECT, reason, rows=len(rows))
    broken = breaks(scores)
    groups = None if evidence.groups is None else evidence.groups[rows]
    interval = share_of(broken, groups, two_sided(check))
    subject = f"of {count(len(rows))}, {int(broken.sum()):,} break it ({told}): the share is"
    return judged(check, interval, rows=len(rows), subject=subject)
