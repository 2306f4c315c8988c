"""One door to every kind of rollout's decision. Pure."""

from __future__ import annotations

from datetime import datetime

from detent.records.project import RolloutPlan
from detent.records.rollout import AB, BANDIT, Rollout, Step
from detent.rollout.decide import decide
from detent.rollout.experiment import decide_experiment
from detent.rollout.look import Look


def judge(plan: RolloutPlan, rollout: Rollout, look: Look, *, now: datetime) -> Step:
    """Say what to do with a running rollout, whatever its kind; the same input always gives the same step."""
    if rollout.kind in (AB, BANDIT) and rollout.champion is not None:
        return decide_experiment(plan, rollout, look, now=now)
    return decide(plan, rollout, look, now=now)
