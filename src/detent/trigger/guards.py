"""What keeps a bad week from becoming a storm. Every wish to train passes the same guards. Pure."""

from __future__ import annotations

from datetime import datetime

from detent.records.project import TriggerPlan
from detent.trigger.state import TriggerState
from detent.trigger.words import moment, span, times

# A refused training is likely to be refused again on almost the same data; four cool-downs apart is as rare as it gets.
MOST_DOUBLING = 4


def held_by(plan: TriggerPlan, state: TriggerState, now: datetime, *, cause: str) -> str | None:
    """Return which guard stops a training now, as the end of a sentence; None when it may begin.

    Args:
        plan: the guards.
        state: the past.
        now: the moment.
        cause: what asks; trainings that were refused before are counted per cause.
    """
    looks = (_in_the_way(state), _cooling(plan, state, now), _asked(plan, state, cause), _spent(plan, state, now))
    return next((reason for reason in looks if reason is not None), None)


def wants_a_human(plan: TriggerPlan, state: TriggerState, cause: str) -> bool:
    """True when the gate refused so many candidates of one episode that a machine should not try again."""
    return bool(cause) and cause == state.cause and state.refused_in_episode >= plan.ask_after


def cooled_at(plan: TriggerPlan, state: TriggerState) -> datetime | None:
    """Return when the cool-down since the last training ends; it doubles with each refusal. None: there was none."""
    return None if state.last_training_at is None else state.last_training_at + doubling(state) * plan.cooldown


def doubling(state: TriggerState) -> int:
    """Return how many times the plan's cool-down has to pass."""
    return min(MOST_DOUBLING, 2 ** min(state.refused_in_a_row, 10))


def _in_the_way(state: TriggerState) -> str | None:
    if state.running:
        return "a training is running already"
    if state.rollout_running:
        return "a rollout is running, and its outcome comes first"
    if state.quarantined_since is not None:
        return f"the data are in quarantine since {moment(state.quarantined_since)}: {state.quarantined_for}"
    return None


def _cooling(plan: TriggerPlan, state: TriggerState, now: datetime) -> str | None:
    end = cooled_at(plan, state)
    if end is None or now >= end or state.resumes:
        return None
    until = f"the cool-down since the last training ends at {moment(end)}"
    if doubling(state) > 1:
        until += f" ({doubling(state)} times as long, for the gate refused {times(state.refused_in_a_row)} in a row)"
    return until


def _asked(plan: TriggerPlan, state: TriggerState, cause: str) -> str | None:
    if not wants_a_human(plan, state, cause):
        return None
    refused = f"the gate refused {state.refused_in_episode} candidates of this episode"
    if state.answer == "no":
        return f"{refused}, and a human said no"
    return f"{refused}, and a human has to say whether to go on"


def _spent(plan: TriggerPlan, state: TriggerState, now: datetime) -> str | None:
    if state.labelled_rows_since_training < plan.new_labels and not state.resumes:
        return f"{state.labelled_rows_since_training:,} labelled rows are new, and {plan.new_labels:,} are waited for"
    spent = [start for start in state.trainings if start > now - plan.budget_period]
    if len(spent) >= plan.budget:
        return f"{len(spent)} trainings in {span(plan.budget_period)} have used up the budget of {plan.budget}"
    if plan.money is not None and state.money_spent + state.money_next > plan.money:
        return (
            f"trainings of {span(plan.budget_period)} cost {state.money_spent:.2f}, one more about "
            f"{state.money_next:.2f}, and {plan.money:g} is the most"
        )
    return None
