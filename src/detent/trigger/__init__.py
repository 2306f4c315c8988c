"""The trigger: findings, time and new rows become a request for a training run, or a reason not to.

In: a plan, the state of the past, findings, `now`. Out: a TriggerDecision, stored. This room knows nothing about
pipelines, models, the gate or how findings are made.
"""

from detent.trigger.decide import TriggerState, cron_checked, decide
from detent.trigger.store import (
    StoredDecision,
    decisions,
    load_state,
    record_decision,
    training_judged,
    training_started,
)

__all__ = [
    "StoredDecision",
    "TriggerState",
    "cron_checked",
    "decide",
    "decisions",
    "load_state",
    "record_decision",
    "training_judged",
    "training_started",
]
