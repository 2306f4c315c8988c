"""Rollouts: a new version climbs stages of traffic and falls back by itself; experiments compare several.

In: a plan, counts of both arms, a shadow comparison, labelled losses, `now`. Out: a Step with its reason, and stored
rollouts whose decisions can be recomputed. This room knows nothing about routes, serving processes, models or labels.
"""

from detent.rollout.decide import decide, state_after
from detent.rollout.judge import judge
from detent.rollout.look import Look
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.rollout.store import (
    Decision,
    Opening,
    apply_step,
    current,
    decisions,
    get,
    history,
    latest_look,
    open_rollout,
)

__all__ = [
    "Decision",
    "Look",
    "Opening",
    "ShadowReport",
    "apply_step",
    "compare_shadow",
    "current",
    "decide",
    "decisions",
    "get",
    "history",
    "judge",
    "latest_look",
    "open_rollout",
    "state_after",
]
