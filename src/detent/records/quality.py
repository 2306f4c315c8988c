"""How good answers are, by whichever way that could be found out."""

from __future__ import annotations

from dataclasses import dataclass

MEASURED, WEIGHTED, POWERED, PROMISED = "measured", "weighted", "powered", "promised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric of some answers, with its interval."""

    metric: str
    value: float
    low: float
    high: float
    rows: int  # answers that it is about
    labelled: int  # of these, answers whose truth is known
    method: str  # measured | weighted (labels are no fair sample) | powered (few labels) | promised (no labels)
    caveats: tuple[str, ...] = ()  # what it can't know, one sentence each
