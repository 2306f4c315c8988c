"""The cron line: which of its times is due, in UTC. Pure."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from croniter import croniter

from detent.records.project import TriggerPlan
from detent.trigger.state import TriggerState


def due(plan: TriggerPlan, state: TriggerState, now: datetime) -> datetime | None:
    """Return the first time of the schedule in (last check, now]; None when there is none."""
    if plan.cron is None or state.last_cron_check is None or state.last_cron_check >= now:
        return None
    fires = _next(plan.cron, state.last_cron_check)
    return fires if fires <= now else None


@lru_cache(maxsize=32)
def _next(cron: str, after: datetime) -> datetime:
    """Return the first time of a line after a moment; it is asked for at every look, and changes seldom."""
    return croniter(cron, after).get_next(datetime)


def checked(plan: TriggerPlan, state: TriggerState, now: datetime, *, trains: bool) -> datetime | None:
    """Return the next state's `last_cron_check`.

    A time that a guard held back stays due, so a weekly training that met a rollout starts after it, not a week later.
    Times that pass meanwhile add up to one training, and so does a training (`trains`) for any other reason. A clock
    that was set back does not make old times due again.
    """
    if not trains and due(plan, state, now) is not None:
        return state.last_cron_check
    return now if state.last_cron_check is None else max(now, state.last_cron_check)
