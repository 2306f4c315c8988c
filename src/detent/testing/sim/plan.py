"""The plan of a simulated week: a project's own data and features, with windows, stages and pauses that fit a week."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from detent.project.grammar import parse_check
from detent.records.check import Check
from detent.records.log import LogPlan
from detent.records.project import (
    Channel,
    DriftPlan,
    GatePlan,
    MonitorPlan,
    Project,
    Proof,
    RolloutPlan,
    SimulationPlan,
    Stage,
    TriggerPlan,
)
from detent.statistics.metrics import named
from detent.store.canonical import digest_of

HOUR = timedelta(hours=1)
WINDOW = 24 * HOUR
EVALUATED = 300  # rows by which the gate judges each candidate
CHANNEL = "people"
# Value of a metric for a model that knows nothing; 0 for the others.
NOTHING = {"roc_auc": 0.5, "roc_auc_ovr": 0.5}
GUESSED = ("accuracy", "recall_macro")  # of k classes 1/k


def week(project: Project, honest: float) -> Project:
    """Return the project with the plan of a simulated week.

    `honest` is the value of the project's `monitor.quality` for its own model, from which the gate's floor follows: the
    project's own lines are made for all of its rows, and here a few hundred judge.
    """
    metric = project.monitor.quality
    nothing = _nothing(metric, len(project.target.classes))
    gate = tuple(parse_check(line, number) for number, line in enumerate(_lines(metric, honest, nothing), start=1))
    return replace(
        project,
        gate=gate,
        gate_plan=GatePlan(),
        policy_digest=digest_of([_text(check) for check in gate]),
        serving=replace(project.serving, workers=1, fallback="previous", log=LogPlan()),
        rollout=_ROLLOUT,
        monitor=MonitorPlan(
            window=WINDOW,
            labels_within=WINDOW / 2,
            quality=metric,
            floor=_floor(metric, honest, nothing),
            channels=(Channel(kind="log", url=None, secret=None),),
            drift=DriftPlan(keep_rows=1_000),
        ),
        trigger=_TRIGGER,
        simulate=SimulationPlan(start=None, until=None, sample=1.0, seed=7, sabotage=(), expect=()),
    )


_ROLLOUT = RolloutPlan(
    stages=(
        Stage(name="shadow", weight=0),
        Stage(name="25%", weight=2_500),
        Stage(name="50%", weight=5_000),
        Stage(name="100%", weight=10_000),
    ),
    min_requests=12,
    min_time=2 * HOUR,
    max_time=36 * HOUR,
    alpha=0.05,
    on_timeout="rollback",
    min_entities=6,
    proof=Proof(failures=0.12),
)
_TRIGGER = TriggerPlan(
    cron="0 */3 * * *",
    drift="warning",
    quality="warning",
    new_rows=None,
    cooldown=8 * HOUR,
    budget=1,
    budget_period=26 * HOUR,
)


def _nothing(metric: str, classes: int) -> float:
    return 1.0 / classes if classes and metric in GUESSED else NOTHING.get(metric, 0.0)


def _higher_is_better(metric: str) -> bool:
    known = named(metric)
    return known is not None and known.higher_is_better


def _lines(metric: str, honest: float, nothing: float) -> tuple[str, str]:
    floor = _floor(metric, honest, nothing)
    if _higher_is_better(metric):
        margin = 0.3 * abs(honest - nothing)
        return f"{metric} >= {floor:.6f}", f"{metric} >= champion - {margin:.6f} at 90%"
    return f"{metric} <= {floor:.6f}", f"{metric} <= champion * 1.2 at 90%"


def _floor(metric: str, honest: float, nothing: float) -> float:
    if _higher_is_better(metric):
        return nothing + 0.4 * (honest - nothing)
    return 1.5 * honest


def _text(check: Check) -> str:
    return repr(check)
