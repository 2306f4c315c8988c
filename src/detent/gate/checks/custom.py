"""`check(checks.py:fair_enough)`: a function of the project decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from detent.gate.evidence import Evidence
from detent.gate.own import CHECK_GIVEN, Own, OwnCodeError, own
from detent.gate.rule import concluded
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult

_DECISIONS = (PASS, REJECT, INCONCLUSIVE)


class Custom:
    """Whatever no other form can say: the function gets the evidence, and answers True, False or a decision."""

    summary: ClassVar[str] = "A function of the project, named as file.py:name, decides and says why."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Call it once and hold it to its promise; an exception and an odd answer are failures."""
        mine = own(check, evidence, CHECK_GIVEN)
        if not evidence.rows:
            return replace(concluded(check, INCONCLUSIVE, "there are no evaluation rows", rows=0), threshold=None)
        try:
            decision, reason, value = _read(mine, mine.call(_given(check, evidence)))
        except OwnCodeError as error:
            decision, reason, value = REJECT, f"{error}; a check that gives no answer counts as a failure", None
        told = reason or f"`{mine.name}` ({mine.at()}) says {decision}"
        return replace(concluded(check, decision, told, rows=evidence.rows, value=value), threshold=None)


def _given(check: Check, evidence: Evidence) -> dict[str, object]:
    champion = evidence.champion
    return {
        "y": evidence.y.copy(),
        "score": evidence.score.copy(),
        "rows": evidence.columns,
        "confidence": 0.95 if check.confidence is None else check.confidence,
        "seed": evidence.seed,
        "champion": None if champion is None else champion.copy(),
        "inputs": evidence.inputs,
        "task": evidence.task,
    }


def _read(mine: Own, answer: Any) -> tuple[str, str, float | None]:
    """Return the decision, the reason ("": none given) and the value of what a check returned."""
    parts = answer if isinstance(answer, tuple) else (answer,)
    first, reason, value = (*parts, *("", None)[len(parts) - 1 :]) if 1 <= len(parts) <= 3 else (None, "", None)
    decision = (PASS if first else REJECT) if isinstance(first, bool | np.bool_) else first
    number = value is None or (isinstance(value, int | float | np.number) and not isinstance(value, bool))
    known = isinstance(decision, str) and decision in _DECISIONS
    if not known or not isinstance(reason, str) or not number:
        raise OwnCodeError(
            f"`{mine.name}` ({mine.at()}) returned {_shortened(answer)}; a check returns True, False, "
            f"or one of {', '.join(_DECISIONS)}, alone or as (decision, reason) or (decision, reason, value)"
        )
    return str(decision), " ".join(reason.split()), None if value is None else float(value)


def _shortened(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
