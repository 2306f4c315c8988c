"""Which plan a rollout follows, when detent.yaml was edited after it began."""

from __future__ import annotations

from dataclasses import replace

from detent.loop.workspace import Workspace
from detent.records.project import RolloutPlan
from detent.records.rollout import Rollout
from detent.rollout import store


def plan_of(ws: Workspace, rollout: Rollout) -> RolloutPlan:
    """Return a rollout's plan: kind and stages are those that it began with, limits and times those of detent.yaml.

    A rollout stands at a place in its list of stages; in a list that was edited, the same place may be all traffic.
    """
    began, now = store.plan_of(ws.db, rollout.id), ws.project.rollout
    if began is None:
        return now
    return replace(now, stages=began.stages) if now.kind == began.kind else began


def way_has_changed(ws: Workspace, rollout: Rollout) -> bool:
    """Return whether detent.yaml has another kind or other stages by now; they count for the next rollout."""
    plan, now = plan_of(ws, rollout), ws.project.rollout
    return (plan.kind, plan.stages) != (now.kind, now.stages)
