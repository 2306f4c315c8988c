"""Whether to retrain, to go back, to keep away from broken data, to ask somebody or to do nothing, and why. Pure.

Rules are asked in order, and the first that may act decides:

1. Broken data go into quarantine: nothing is learned from them.
2. Quality or the SLO fell where a version of ours took over, and the version before does better on the same rows: back.
3. Measured quality fell: train, and let the version before answer meanwhile if it does better on those rows.
4. Important drift that lasts, or an estimate: a cheap challenger first, and a training only if that one is better.
5. Other drift: nothing.
6. New rows, a webhook, the SLO and the schedule: train. They are served last, and go through the same guards.

Before the wishes of 3 to 6 comes a training that was begun and interrupted, because its controller was killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detent.records.finding import CRITICAL
from detent.records.project import TriggerPlan
from detent.records.run import RunRequest, TriggerDecision
from detent.trigger.guards import held_by, wants_a_human
from detent.trigger.schedule import due
from detent.trigger.signals import Compared, Heard, Signals
from detent.trigger.state import TriggerState
from detent.trigger.words import ended, moment, span

RETRAIN, ROLL_BACK, QUARANTINE, CHALLENGE, ASK, IGNORE = (
    "retrain", "roll_back", "quarantine", "challenge", "ask", "ignore",
)  # fmt: skip
TRAINS = (RETRAIN, CHALLENGE)  # actions that need the flight: one at a time
BROKEN, DEPLOY, QUALITY, DRIFT, NOTHING_TO_DO, ASKED = (
    "1 broken data", "2 own deploy", "3 quality fell", "4 drift", "5 nothing to do", "6 asked for",
)  # fmt: skip
RESUMED = "0 interrupted"
SLO = "slo"
NOTHING = "Nothing asks for a retraining."
LEAST = 200  # labelled rows below which a challenger tells nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a decision depends on; the same case always gives the same decision."""

    plan: TriggerPlan
    state: TriggerState
    signals: Signals
    now: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """Something that asks for a training."""

    rule: str
    reason: str  # of the RunRequest
    detail: str  # one sentence
    cause: str  # the episode, or what asked
    action: str = RETRAIN


def decide(case: Case) -> TriggerDecision:
    """Say what to do."""
    decision = _broken(case) or _own_deploy(case)
    if decision is not None:
        return decision
    held: list[tuple[_Wish, str]] = []
    for wish in _wishes(case):
        refusal = held_by(case.plan, case.state, case.now, cause=wish.cause)
        refusal = refusal or _challenged_before(case, wish)
        if refusal is None:
            return _go(case, wish)
        if _may_ask(case, wish):
            return _ask(case, wish)
        held.append((wish, refusal))
    back = _fall_back(case)
    if back is not None:
        return back
    if held:
        wish, refusal = held[0]
        return _ignored(case, f"{wish.detail} No retraining: {refusal}.", rule=wish.rule, cause=wish.cause)
    return _quiet(case)


def _broken(case: Case) -> TriggerDecision | None:
    if not case.signals.broken or case.state.quarantined_since is not None:
        return None
    reason = f"{ended(case.signals.broken[0])} Nothing is learned from such rows until they are whole again."
    return _decided(case, action=QUARANTINE, reason=reason, rule=BROKEN, cause="data")


def _own_deploy(case: Case) -> TriggerDecision | None:
    deploy, trouble = case.signals.deploy, _trouble(case.signals)
    if deploy is None or trouble is None or not _may_go_back(case):
        return None
    reason = (
        f"{ended(trouble[1])} Version {deploy.version} had taken over at {deploy.at[:16].replace('T', ' ')} UTC, and "
        f"{_better(case.signals.previous)}."
    )
    return _decided(case, action=ROLL_BACK, reason=reason, rule=DEPLOY, cause=trouble[0])


def _fall_back(case: Case) -> TriggerDecision | None:
    """Go back without a training: quality is CRITICAL, no training may begin now, and the version before is better."""
    worst = case.signals.worst("quality")
    if worst is None or worst.severity != CRITICAL or not _may_go_back(case):
        return None
    reason = f"{ended(worst.message)} No training may begin now, and {_better(case.signals.previous)}."
    return _decided(case, action=ROLL_BACK, reason=reason, rule=QUALITY, cause=worst.thing)


def _trouble(signals: Signals) -> tuple[str, str] | None:
    """Return (cause, sentence) of what fell, measured: quality or the SLO."""
    worst = signals.worst("quality")
    if worst is not None:
        return worst.thing, worst.message
    return None if signals.burn is None else (SLO, signals.burn.message)


def _may_go_back(case: Case) -> bool:
    """True when the version before is better beyond chance. During a rollout an alarm belongs to the rollout."""
    previous = case.signals.previous
    return case.plan.fallback and not case.state.rollout_running and previous is not None and previous.low > 0


def _better(previous: Compared | None) -> str:
    if previous is None:
        return "no version can be compared"
    return (
        f"version {previous.version} does better on the same {previous.rows:,} rows (mean loss lower by "
        f"{previous.gain:.4g}, at least {previous.low:.4g})"
    )


def _wishes(case: Case) -> list[_Wish]:
    """Return what asks for a training, in order."""
    found = [*_interrupted(case), *_quality(case), *_drift(case)]
    plan, signals = case.plan, case.signals
    if signals.burn is not None:
        found.append(_Wish(rule=ASKED, reason=SLO, detail=ended(signals.burn.message), cause=SLO))
    rows = case.state.labelled_rows_since_training
    if plan.new_rows is not None and rows >= plan.new_rows:
        detail = f"{rows:,} labelled rows are new since the last training; {plan.new_rows:,} were waited for."
        found.append(_Wish(rule=ASKED, reason="new_rows", detail=detail, cause="new_rows"))
    if signals.calls:
        first = signals.calls[0]
        more = f" and {len(signals.calls) - 1} more" if len(signals.calls) > 1 else ""
        detail = f"`{first.caller}` called the webhook `{first.name}` (call {first.id}{more})."
        found.append(_Wish(rule=ASKED, reason="webhook", detail=detail, cause="webhook"))
    fires = due(plan, case.state, case.now)
    if fires is not None:
        detail = f"The schedule `{plan.cron}` was due at {moment(fires)}."
        found.append(_Wish(rule=ASKED, reason="cron", detail=detail, cause="cron"))
    return found


def _interrupted(case: Case) -> list[_Wish]:
    one = case.state.interrupted
    if one is None:
        return []
    detail = f"The training of decision {one.number} was interrupted: {ended(one.detail)}"
    return [_Wish(rule=RESUMED, reason=one.reason, detail=detail, cause=one.cause)]


def _quality(case: Case) -> list[_Wish]:
    worst = case.signals.worst("quality")
    if worst is None or not worst.reaches(case.plan.quality):
        return []
    return [_Wish(rule=QUALITY, reason="quality", detail=ended(worst.message), cause=worst.thing)]


def _drift(case: Case) -> list[_Wish]:
    plan, challenger = case.plan, case.signals.challenger
    worst = _worst_drift(case)
    if worst is None:
        return []
    wish = _Wish(rule=DRIFT, reason=worst.kind, detail=ended(worst.message), cause=worst.thing)
    if not plan.challenger:
        return [wish]
    if challenger is None:
        return [_Wish(rule=DRIFT, reason=worst.kind, detail=wish.detail, cause=wish.cause, action=CHALLENGE)]
    if challenger.rows < LEAST and worst.severe:
        return [wish]  # nobody can tell what a training would bring, and this is too far off to wait
    return [wish] if challenger.rows >= LEAST and challenger.low > 0 else []


def _worst_drift(case: Case) -> Heard | None:
    """Return the drift, or else the estimate, that asks: it lasts, matters, and is no doing of our own deploys."""
    plan = case.plan
    lasting = [heard for heard in case.signals.heard if heard.lasting and not heard.own_deploy]
    drifted = [heard for heard in lasting if heard.kind == "drift" and heard.reaches(plan.drift)]
    estimated = plan.drift is not None or plan.quality == "warning"
    guessed = [heard for heard in lasting if heard.kind == "estimate" and estimated]
    return next(iter([*drifted, *guessed]), None)


def _challenged_before(case: Case, wish: _Wish) -> str | None:
    last = case.state.last_challenge_at
    if wish.action != CHALLENGE or last is None or case.now >= last + case.plan.cooldown:
        return None
    return f"a challenger was tried at {moment(last)}, and the next one waits {span(case.plan.cooldown)}"


def _go(case: Case, wish: _Wish) -> TriggerDecision:
    at = case.now.isoformat(timespec="microseconds")
    request = RunRequest(reason=wish.reason, detail=wish.detail, asked_at=at, actor=case.actor)
    worst = case.signals.worst("quality")
    back = wish.rule == QUALITY and worst is not None and worst.severity == CRITICAL and _may_go_back(case)
    return _decided(
        case, action=wish.action, reason=wish.detail, rule=wish.rule, cause=wish.cause, request=request, fall_back=back
    )


def _may_ask(case: Case, wish: _Wish) -> bool:
    free = not case.state.running and not case.state.rollout_running and case.state.quarantined_since is None
    return free and case.state.asked is None and wants_a_human(case.plan, case.state, wish.cause)


def _ask(case: Case, wish: _Wish) -> TriggerDecision:
    refused = case.state.refused_in_episode
    reason = (
        f"{wish.detail} The gate refused {refused} candidates of this episode; a human has to say whether to go on."
    )
    return _decided(case, action=ASK, reason=reason, rule=wish.rule, cause=wish.cause)


def _quiet(case: Case) -> TriggerDecision:
    drifted = [heard for heard in case.signals.heard if heard.kind in ("drift", "estimate")]
    if not drifted:
        return _ignored(case, NOTHING, rule=NOTHING_TO_DO, cause="")
    first = drifted[0]
    return _ignored(case, f"{ended(first.message)} {_why_not(case, first)}", rule=NOTHING_TO_DO, cause=first.thing)


def _why_not(case: Case, first: Heard) -> str:
    challenger = case.signals.challenger
    if first.own_deploy:
        return "Another version took over in this window, so this is no news about the data."
    if case.plan.drift is None or not (first.reaches(case.plan.drift) or first.kind == "estimate"):
        return "Nothing to retrain for: `trigger.drift` does not ask at this severity."
    if challenger is not None and challenger.rows < LEAST:
        return f"Nothing to retrain for: {challenger.rows:,} labelled rows are too few to tell what it would bring."
    if challenger is not None:
        return (
            f"Nothing to retrain for: a challenger of recent rows is no better on {challenger.rows:,} newer ones "
            f"(mean loss lower by {challenger.gain:.4g}, at least {challenger.low:.4g})."
        )
    return f"Nothing to retrain for: it matters too little, or has not lasted ({first.windows} windows)."


def _ignored(case: Case, reason: str, *, rule: str, cause: str) -> TriggerDecision:
    return _decided(case, action=IGNORE, reason=reason, rule=rule, cause=cause)


def _decided(
    case: Case,
    *,
    action: str,
    reason: str,
    rule: str,
    cause: str,
    request: RunRequest | None = None,
    fall_back: bool = False,
) -> TriggerDecision:
    return TriggerDecision(
        action=action,
        request=request,
        reason=reason,
        rule=rule,
        cause=cause,
        fall_back=fall_back,
        evidence=tuple(_evidence(case)),
    )


def _evidence(case: Case) -> Sequence[tuple[str, str]]:
    """Say in words what was looked at; all of it is stored beside the decision too."""
    signals, state, plan = case.signals, case.state, case.plan
    spent = sum(start > case.now - plan.budget_period for start in state.trainings)
    found = [("heard", f"{len(signals.heard)} findings, {len(signals.calls)} calls")]
    found.append(("guards", held_by(plan, state, case.now, cause="") or "no guard holds a training back"))
    found.append(("budget", f"{spent} of {plan.budget} trainings in {span(plan.budget_period)}"))
    if signals.broken:
        found.append(("data", " ".join(map(ended, signals.broken))))
    if signals.deploy is not None:
        found.append(("deploy", f"version {signals.deploy.version} at {signals.deploy.at}"))
    if signals.previous is not None:
        previous = signals.previous
        found.append(("previous", f"version {previous.version}: gain {previous.gain:.4g}, at least {previous.low:.4g}"))
    if signals.challenger is not None:
        other = signals.challenger
        found.append(("challenger", f"{other.rows:,} rows: gain {other.gain:.4g}, at least {other.low:.4g}"))
    return found
