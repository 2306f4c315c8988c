"""Whether to retrain now, and why. Pure.

Four things may ask for a retraining; they are heard in the order quality, drift, new rows, cron, and the first that the
guards let through wins. The guards keep a bad week from becoming a storm: one training at a time, none while a rollout
runs (its answers are not yet in the data), a cool-down that grows while the gate keeps refusing, and a budget per
period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter

from detent.records.finding import SEVERITIES, Finding
from detent.records.project import TriggerPlan
from detent.records.run import RunRequest, TriggerDecision

RETRAIN, IGNORE = "retrain", "ignore"
NOTHING = "Nothing asks for a retraining."
QUALITY, DRIFT, NEW_ROWS, CRON = "quality", "drift", "new_rows", "cron"
# A refused training is likely to be refused again on almost the same data; four cool-downs apart is as rare as it gets.
MOST_DOUBLING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """What a trigger must know about the past."""

    last_training_at: datetime | None  # start of the latest training, whatever asked for it; None: there was none
    last_cron_check: datetime | None  # cron times up to here are dealt with; None: none yet, so none is due
    trainings: tuple[datetime, ...]  # starts of trainings that count towards the budget; older ones may be left in
    labelled_rows_since_training: int
    running: bool  # a training runs
    refused_in_a_row: int  # latest trainings whose candidate the gate did not let through
    rollout_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Something that asks for a retraining."""

    reason: str
    detail: str  # one sentence


def decide(
    plan: TriggerPlan, state: TriggerState, findings: Sequence[Finding], *, now: datetime, actor: str
) -> TriggerDecision:
    """Say whether to retrain.

    Args:
        plan: what may ask, and the guards.
        state: the past.
        findings: of the latest windows; only kinds "drift" and "quality" are heard.
        now: the moment of the decision.
        actor: who asks, for the ledger.
    """
    wishes = _wishes(plan, state, findings, now)
    if not wishes:
        return TriggerDecision(action=IGNORE, request=None, reason=NOTHING)
    refusals = [_refusal(wish, plan, state, now) for wish in wishes]
    for wish, refusal in zip(wishes, refusals, strict=True):
        if refusal is None:
            at = now.isoformat(timespec="microseconds")
            request = RunRequest(reason=wish.reason, detail=wish.detail, asked_at=at, actor=actor)
            return TriggerDecision(action=RETRAIN, request=request, reason=wish.detail)
    return TriggerDecision(action=IGNORE, request=None, reason=f"{wishes[0].detail} No retraining: {refusals[0]}.")


def cron_checked(plan: TriggerPlan, state: TriggerState, decision: TriggerDecision, now: datetime) -> datetime | None:
    """Return the next state's `last_cron_check`.

    A cron time that a guard held back stays due, so a weekly training that met a rollout starts after it, not a week
    later. Times that pass meanwhile add up to one training.
    """
    if decision.action == IGNORE and _due(plan, state, now) is not None:
        return state.last_cron_check
    return now


def _wishes(plan: TriggerPlan, state: TriggerState, findings: Sequence[Finding], now: datetime) -> list[_Wish]:
    wishes = [
        _Wish(reason=kind, detail=_ended(worst.message))
        for kind, threshold in ((QUALITY, plan.quality), (DRIFT, plan.drift))
        if (worst := _worst(kind, threshold, findings)) is not None
    ]
    if plan.new_rows is not None and state.labelled_rows_since_training >= plan.new_rows:
        rows = f"{state.labelled_rows_since_training:,} labelled rows are new since the last training"
        wishes.append(_Wish(reason=NEW_ROWS, detail=f"{rows}; {plan.new_rows:,} were waited for."))
    due = _due(plan, state, now)
    if due is not None:
        wishes.append(_Wish(reason=CRON, detail=f"The schedule `{plan.cron}` was due at {_moment(due)}."))
    return wishes


def _worst(kind: str, threshold: str | None, findings: Sequence[Finding]) -> Finding | None:
    """Return the most severe finding of a kind that reaches the threshold ("warning", "critical").

    The first of equals.
    """
    if threshold is None:
        return None
    least = SEVERITIES.index(threshold.upper())
    reaching = [f for f in findings if f.kind == kind and SEVERITIES.index(f.severity) >= least]
    return max(reaching, key=lambda finding: SEVERITIES.index(finding.severity), default=None)


def _due(plan: TriggerPlan, state: TriggerState, now: datetime) -> datetime | None:
    """Return the first time of the schedule in (last check, now], in UTC; None when there is none."""
    if plan.cron is None or state.last_cron_check is None or state.last_cron_check >= now:
        return None
    fires = croniter(plan.cron, state.last_cron_check).get_next(datetime)
    return fires if fires <= now else None


def _refusal(wish: _Wish, plan: TriggerPlan, state: TriggerState, now: datetime) -> str | None:
    """Return which guard stops a wish, as the end of a sentence; None when it may pass."""
    if state.running:
        return "a training is running already"
    if state.rollout_running:
        return "a rollout is running, and its outcome comes first"
    doubling = 1 if wish.reason == CRON else min(MOST_DOUBLING, 2 ** min(state.refused_in_a_row, 10))
    if state.last_training_at is not None and now < state.last_training_at + doubling * plan.cooldown:
        end = _moment(state.last_training_at + doubling * plan.cooldown)
        until = f"the cool-down since the last training ends at {end}"
        if doubling > 1:
            until += f" ({doubling} times as long, for the gate refused {_times(state.refused_in_a_row)} in a row)"
        return until
    spent = [start for start in state.trainings if start > now - plan.budget_period]
    if len(spent) >= plan.budget:
        return f"{len(spent)} trainings in {_span(plan.budget_period)} have used up the budget of {plan.budget}"
    return None


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"
