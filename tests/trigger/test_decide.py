from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detent.records.finding import Finding
from detent.records.project import TriggerPlan
from detent.trigger.decide import IGNORE, RETRAIN, TriggerState, cron_checked, decide

MONDAY = datetime(2013, 3, 4, 3, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAN = TriggerPlan(
    cron="0 3 * * 1", drift="critical", quality="warning", new_rows=50_000, cooldown=6 * HOUR, budget=4,
    budget_period=30 * DAY,
)  # fmt: skip
QUIET = TriggerState(
    last_training_at=MONDAY - 10 * DAY, last_cron_check=MONDAY, trainings=(), labelled_rows_since_training=10,
    running=False, refused_in_a_row=0, rollout_running=False,
)  # fmt: skip


def finding(kind="drift", severity="CRITICAL", message="Much has moved."):
    return Finding(
        kind=kind, severity=severity, column=None, statistic="psi", value=0.3, low=None, high=None, threshold=0.1,
        rows=500, window_start="", window_end="", message=message,
    )  # fmt: skip


DRIFT, QUALITY = finding(), finding("quality", "WARNING", "roc_auc has fallen.")


def ask(*findings, state=QUIET, plan=PLAN, now=MONDAY + HOUR):
    return decide(plan, state, findings, now=now, actor="controller")


def test_nothing_asks_on_a_quiet_day():
    found = ask()
    assert (found.action, found.request) == (IGNORE, None)
    assert found.reason == "Nothing asks for a retraining."


def test_severe_drift_asks_with_the_finding_as_its_reason():
    found = ask(DRIFT)
    assert found.action == RETRAIN
    assert (found.request.reason, found.request.detail) == ("drift", "Much has moved.")
    assert (found.request.actor, found.request.asked_at) == ("controller", "2013-03-04T04:00:00.000000+00:00")


@pytest.mark.parametrize(
    "findings", [[finding(severity="WARNING")], [finding("quality", "INFO")], [finding("errors")], [finding("labels")]]
)
def test_findings_below_the_threshold_or_of_other_kinds_do_not_ask(findings):
    assert ask(*findings).action == IGNORE


def test_a_trigger_that_is_not_configured_does_not_ask():
    silent = replace(PLAN, drift=None, quality=None, new_rows=None, cron=None)
    state = replace(QUIET, labelled_rows_since_training=10**9, last_cron_check=MONDAY - 30 * DAY)
    assert ask(DRIFT, QUALITY, state=state, plan=silent).reason == "Nothing asks for a retraining."


def test_reasons_are_heard_in_order_of_urgency():
    state = replace(QUIET, labelled_rows_since_training=60_000, last_cron_check=MONDAY - HOUR)
    findings = [DRIFT, QUALITY]
    order = []
    plan = PLAN
    for name in ("quality", "drift", "new_rows", "cron"):
        order.append(ask(*findings, state=state, plan=plan).request.reason)
        plan = replace(plan, **{name: None})
    assert order == ["quality", "drift", "new_rows", "cron"]


def test_the_worst_finding_of_a_kind_gives_the_reason():
    findings = [QUALITY, finding("quality", "CRITICAL", "roc_auc is below the floor.")]
    assert ask(*findings).reason == "roc_auc is below the floor."


def test_new_rows_ask_from_the_declared_number_on():
    assert ask(state=replace(QUIET, labelled_rows_since_training=49_999)).action == IGNORE
    found = ask(state=replace(QUIET, labelled_rows_since_training=50_000))
    assert found.request.reason == "new_rows"
    assert "50,000 labelled rows are new" in found.reason


@pytest.mark.parametrize(
    ("checked", "now", "due"),
    [
        (MONDAY - HOUR, MONDAY, True),  # the moment itself counts
        (MONDAY, MONDAY + HOUR, False),  # and counts once
        (MONDAY - HOUR, MONDAY - timedelta(seconds=1), False),
        (MONDAY - 30 * DAY, MONDAY - DAY, True),
        (None, MONDAY, False),  # the first look ever only starts the watch
        (MONDAY + DAY, MONDAY, False),  # a clock that was set back
    ],
)
def test_the_schedule_is_due_once_per_time_of_its_own(checked, now, due):
    found = ask(state=replace(QUIET, last_cron_check=checked), now=now)
    assert (found.action == RETRAIN) == due
    if due:
        assert "`0 3 * * 1` was due at 20" in found.reason
        assert found.reason.endswith("03:00 UTC.")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"running": True}, "a training is running already"),
        ({"rollout_running": True}, "a rollout is running"),
        ({"last_training_at": MONDAY}, "the cool-down since the last training ends at 2013-03-04 09:00 UTC"),
        (
            {"trainings": tuple(MONDAY - n * DAY for n in range(1, 5))},
            "4 trainings in 30 days have used up the budget of 4",
        ),
    ],
)
def test_every_guard_stops_a_retraining_and_says_so(change, said):
    found = ask(DRIFT, state=replace(QUIET, **change))
    assert (found.action, found.request) == (IGNORE, None)
    assert found.reason.startswith("Much has moved. No retraining: ")
    assert said in found.reason


def test_trainings_outside_the_period_do_not_count():
    old = tuple(MONDAY + HOUR - 30 * DAY - n * DAY for n in range(9))
    assert ask(DRIFT, state=replace(QUIET, trainings=old)).action == RETRAIN


@pytest.mark.parametrize(("refused", "times"), [(0, 1), (1, 2), (2, 4), (3, 4), (50, 4)])
def test_refusals_double_the_cool_down_up_to_four_times(refused, times):
    state = replace(QUIET, last_training_at=MONDAY, refused_in_a_row=refused)
    end = MONDAY + times * PLAN.cooldown
    assert ask(DRIFT, state=state, now=end).action == RETRAIN
    held = ask(DRIFT, state=state, now=end - timedelta(seconds=1))
    assert held.action == IGNORE
    if refused:
        assert f"({times} times as long, for the gate refused" in held.reason


def test_the_schedule_keeps_its_plain_cool_down_after_refusals():
    state = replace(QUIET, last_training_at=MONDAY - 7 * HOUR, last_cron_check=MONDAY - HOUR, refused_in_a_row=3)
    found = ask(DRIFT, state=state, now=MONDAY)
    assert found.request.reason == "cron"
    assert ask(DRIFT, state=replace(state, last_cron_check=MONDAY), now=MONDAY).action == IGNORE


def test_a_schedule_held_back_by_a_guard_stays_due():
    state = replace(QUIET, last_cron_check=MONDAY - HOUR, rollout_running=True)
    held = ask(state=state)
    assert held.action == IGNORE
    checked = cron_checked(PLAN, state, held, MONDAY + HOUR)
    later = replace(state, last_cron_check=checked, rollout_running=False)
    done = ask(state=later, now=MONDAY + 5 * HOUR)
    assert done.request.reason == "cron"
    after = replace(later, last_cron_check=cron_checked(PLAN, later, done, MONDAY + 5 * HOUR))
    assert ask(state=after, now=MONDAY + 6 * HOUR).reason == "Nothing asks for a retraining."


def test_a_retraining_for_another_reason_settles_the_schedule_too():
    state = replace(QUIET, last_cron_check=MONDAY - HOUR)
    done = ask(QUALITY, state=state)
    assert done.request.reason == "quality"
    assert cron_checked(PLAN, state, done, MONDAY + HOUR) == MONDAY + HOUR


ticks = st.lists(
    st.tuples(
        st.integers(1, 600),  # minutes since the last look
        st.sets(st.sampled_from(["drift", "quality", "rows"])),
        st.booleans(),  # the candidate is refused
        st.integers(0, 300),  # minutes that the training takes
        st.integers(0, 900),  # minutes that the rollout of a passed candidate takes
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(ticks, st.sampled_from([1, 2, 4]), st.sampled_from([HOUR, 6 * HOUR]))
def test_no_sequence_of_events_breaks_a_guard(events, budget, cooldown):
    plan = replace(PLAN, budget=budget, cooldown=cooldown, budget_period=3 * DAY, cron="0 */3 * * *")
    state = replace(QUIET, last_training_at=None)
    now, training_ends, rollout_ends, starts = MONDAY, MONDAY, MONDAY, []
    for minutes, wishes, refused, training, rollout in events:
        now += timedelta(minutes=minutes)
        state = replace(
            state,
            running=now < training_ends,
            rollout_running=training_ends <= now < rollout_ends,
            labelled_rows_since_training=60_000 if "rows" in wishes else 0,
        )
        found = [f for name, f in (("drift", DRIFT), ("quality", QUALITY)) if name in wishes]
        decision = decide(plan, state, found, now=now, actor="test")
        state = replace(state, last_cron_check=cron_checked(plan, state, decision, now))
        assert (decision.request is not None) == (decision.action == RETRAIN)
        if decision.action == RETRAIN:
            assert not state.running
            assert not state.rollout_running
            if starts:
                doubled = 1 if decision.request.reason == "cron" else min(4, 2**state.refused_in_a_row)
                assert now - starts[-1] >= doubled * cooldown
            starts.append(now)
            assert sum(start > now - plan.budget_period for start in starts) <= budget
            training_ends = now + timedelta(minutes=training)
            rollout_ends = training_ends + timedelta(minutes=0 if refused else rollout)
            state = replace(
                state, last_training_at=now, trainings=tuple(starts),
                refused_in_a_row=state.refused_in_a_row + 1 if refused else 0,
            )  # fmt: skip
