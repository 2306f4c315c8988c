"""Rollouts: a new version climbs stages of traffic and falls back by itself.

In: a plan, counters of both arms, a shadow comparison, `now`. Out: a Step with its reason, and stored rollouts whose
decisions can be recomputed. This room knows nothing about routes, serving processes, models or labels.
"""

from detent.rollout.decide import decide, state_after
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.rollout.store import (
    Decision,
    apply_step,
    current,
    decisions,
    get,
    history,
    open_rollout,
    save_tally,
    tallies,
)

__all__ = [
    "Decision",
    "ShadowReport",
    "apply_step",
    "compare_shadow",
    "current",
    "decide",
    "decisions",
    "get",
    "history",
    "open_rollout",
    "save_tally",
    "state_after",
    "tallies",
]
