"""The trigger: findings, calls, time and new rows become one decision, or a reason to do nothing.

In: a plan, the state of the past, signals, `now`. Out: a TriggerDecision, stored with all it was told, and the right to
train. This room knows nothing about pipelines, models, the gate or how findings are made. What is named here is light:
serving processes load it; the rules are in `door` and `rules`.
"""

from detent.trigger.calls import Asked, Receipt, declare, record_call
from detent.trigger.flight import Flight

__all__ = ["Asked", "Flight", "Receipt", "declare", "record_call"]
