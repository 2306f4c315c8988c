"""Always on: the candidate is not too good to be true. `leakage <= 0.999` in the gate section sets the limit."""

from __future__ import annotations

from typing import ClassVar

from detent.gate.evidence import Evidence
from detent.gate.requirements import require_rows
from detent.gate.rule import concluded
from detent.gate.wording import number
from detent.records.check import INCONCLUSIVE, PASS, REJECT, Check, CheckResult
from detent.statistics.metrics import BINARY, CLASSES, metrics_of
from detent.statistics.power import feature_power

MAX_FEATURE = {BINARY: 0.97, "regression": 0.995, CLASSES: 0.97}  # as _FEATURE_MEASURE, of one feature alone
MAX_MODEL = 0.995  # roc_auc or r2 of the model
MAX_JUMP = 0.10  # roc_auc above the champion, on the same rows and as it once was
_FEATURE_MEASURE = {BINARY: "roc_auc", "regression": "rank correlation or r2", CLASSES: "roc_auc_ovr"}
_MODEL_MEASURE = {BINARY: "roc_auc", "regression": "r2", CLASSES: "roc_auc_ovr"}
_WAY_OUT = "; if this is honest, allow it with the line `leakage <= ...` in the gate section of detent.yaml"


class Leakage:
    """Signs that the model knows the answer: a feature that is the label, a score or a jump beyond belief."""

    summary: ClassVar[str] = "No feature alone, no model and no jump over the champion may be too good to be true."

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Reject an input that the project does not make, then a telling feature, then an implausible model."""
        allowed = frozenset(evidence.inputs) if evidence.allowed_inputs is None else evidence.allowed_inputs
        foreign = [name for name in evidence.inputs if name not in allowed]
        if foreign:
            reason = (
                f"the model reads `{'`, `'.join(foreign[:5])}`, which the project's features do not make: "
                "it would not be known when a prediction is asked for"
            )
            return concluded(check, REJECT, reason, rows=evidence.rows)
        require_rows(evidence.y, evidence.task)
        absent = [name for name in evidence.inputs if name not in evidence.columns.columns]
        if absent:
            reason = f"the evaluation rows do not have the model's input `{absent[0]}`, so it can't be examined"
            return concluded(check, INCONCLUSIVE, reason, rows=evidence.rows)
        return _by_power(check, evidence)


def _by_power(check: Check, evidence: Evidence) -> CheckResult:
    limit, model_limit = _limits(check, evidence.task)
    powers = {
        name: feature_power(evidence.columns[name], evidence.y, task=evidence.task, seed=evidence.seed)
        for name in evidence.inputs
    }
    name = max(powers, key=lambda key: powers[key], default="")
    top = powers.get(name, 0.0)
    measure = _FEATURE_MEASURE.get(evidence.task, "power")
    fault = ""
    if top > limit:
        others = sum(power > limit for power in powers.values()) - 1
        fault = (
            f"the feature `{name}` alone predicts the label with a {measure} of {number(top)} (limit {limit:g})"
            f"{f', and so do {others} more' if others else ''}: it probably holds the answer{_WAY_OUT}"
        )
    fault = fault or _model_fault(evidence, model_limit)
    told = f"the most telling feature is `{name}` with a {measure} of {number(top)} alone" if powers else "no inputs"
    return concluded(
        check, REJECT if fault else PASS, fault or told, rows=evidence.rows, value=top if powers else None,
        threshold=limit,
    )  # fmt: skip


def _limits(check: Check, task: str) -> tuple[float, float]:
    """Return the limit of one feature and that of the model: ours, or those of the project's own line."""
    if not check.line:  # as the judge adds it
        return MAX_FEATURE.get(task, MAX_FEATURE["regression"]), MAX_MODEL
    return check.threshold, max(MAX_MODEL, check.threshold)


def _model_fault(evidence: Evidence, limit: float) -> str:
    metric = metrics_of(evidence.task)[_MODEL_MEASURE[evidence.task]]
    ours = metric.compute(evidence.y, evidence.score)
    if ours > limit:
        return f"{metric.name} is {number(ours)}, more than {limit:g}: too good to be true, look for leakage{_WAY_OUT}"
    if evidence.champion is None or evidence.task not in (BINARY, CLASSES):
        return ""
    theirs = metric.compute(evidence.y, evidence.champion)
    # A champion that fell behind a changed world is no measure: its successor may be as good as it once was.
    once = evidence.champion_at_gate
    best = theirs if once is None else max(theirs, once)
    if ours - best <= MAX_JUMP:
        return ""
    known = f"{number(theirs)}" if once is None else f"{number(theirs)} ({number(once)} when it was judged itself)"
    return (
        f"{metric.name} is {number(ours)} and the champion's {known}: a jump of more than {MAX_JUMP:g} "
        "is suspicious, and a human must look"
    )
