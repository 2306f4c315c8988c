"""Which results stand in the way of a pass, and which one of them says most."""

from __future__ import annotations

from collections.abc import Sequence

from detent.records.check import INCONCLUSIVE, PASS, REJECT, CheckResult
from detent.records.waiver import NEVER

DEEPER = (*NEVER, "leakage")  # kinds that name a fault of the model or its rows, not a shortfall


def in_the_way(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return the results that keep a verdict from passing."""
    return [result for result in results if result.decision != PASS and not result.waiver]


def decision_of(results: Sequence[CheckResult]) -> str:
    """Return the verdict's decision: one rejection rejects, else one inconclusive result makes it inconclusive."""
    decisions = {result.decision for result in in_the_way(results)}
    if REJECT in decisions:
        return REJECT
    return INCONCLUSIVE if INCONCLUSIVE in decisions else PASS


def decisive(results: Sequence[CheckResult]) -> CheckResult | None:
    """Return the result that decided: of several one of a kind always on, for it names the deeper fault.

    When all stand aside by waivers it is the first of those; None when all pass.
    """
    decision = decision_of(results)
    guilty = [result for result in in_the_way(results) if result.decision == decision]
    guilty = guilty or [result for result in results if result.waiver]
    return next((result for result in guilty if result.kind in DEEPER), next(iter(guilty), None))
