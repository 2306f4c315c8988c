"""From the name in a line to a metric."""

from __future__ import annotations

from detent.errors import ProjectError, did_you_mean
from detent.gate.evidence import Evidence
from detent.gate.own import own_metric
from detent.gate.requirements import place
from detent.records.check import Check
from detent.statistics.metrics import Metric, metrics_of, named


def metric_of(check: Check, evidence: Evidence) -> Metric:
    """Return the metric that a check names: one of ours, or a function of the project.

    Raises:
        ProjectError: there is none of that name for the project's task, or the function can't be one.
    """
    if check.code is not None:
        return own_metric(check, evidence)
    metrics = metrics_of(evidence.task)
    known = tuple(sorted(metrics))
    if check.metric in known:
        return metrics[check.metric]
    other = named(check.metric)
    why = f"it is for the task {other.task}" if other else "no metric has this name"
    hint = did_you_mean(check.metric, known)
    listing = "" if hint.startswith("known") else f" (known: {', '.join(known)})"
    raise ProjectError(
        what=f"`{check.metric}` is no metric of a {evidence.task} task",
        why=f"the check `{check.text}` asks for it, and {why}",
        fix=hint + listing,
        where=place(check),
    )
