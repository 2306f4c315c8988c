from __future__ import annotations

from dataclasses import replace

import pytest

from detent.trigger.rules import LEAST, NOTHING

from .cases import (
    BETTER,
    BURN,
    CALL,
    DAY,
    DEPLOY,
    DRIFT,
    ESTIMATE,
    FAR,
    FELL,
    FLOOR,
    HELPS,
    HELPS_NOT,
    HOUR,
    MONDAY,
    PLAN,
    QUIET,
    SILENT,
    WORSE,
    ask,
    said,
)

BROKEN = {"broken": ("`temp` is empty in all rows",)}
BACK = {"deploy": DEPLOY, "previous": BETTER}


def test_nothing_is_decided_on_a_quiet_day():
    found = ask()
    assert (*said(found), found.reason, found.request) == ("ignore", "5", NOTHING, None)


def test_broken_data_are_quarantined_and_nothing_is_learned_from_them():
    found = ask(**BROKEN)
    assert said(found) == ("quarantine", "1")
    assert found.reason.startswith("`temp` is empty in all rows.")
    state = replace(QUIET, quarantined_since=MONDAY, quarantined_for="`temp` is empty in all rows")
    for heard, more in (((FLOOR,), {}), ((), {"calls": (CALL,)}), ((FAR,), BROKEN), ((), {"burn": BURN})):
        held = ask(*heard, state=state, **more)
        assert held.action == "ignore"
        assert "the data are in quarantine since 2013-03-04 03:00 UTC: `temp` is empty in all rows." in held.reason


def test_quality_that_fell_with_our_own_deploy_goes_back_to_the_version_before():
    found = ask(FELL, **BACK)
    assert said(found) == ("roll_back", "2")
    assert found.request is None
    assert "Version 3 had taken over at 2013-03-03 20:00 UTC" in found.reason
    assert "version 2 does better on the same 900 rows (mean loss lower by 0.02, at least 0.01)" in found.reason


def test_failing_requests_after_our_own_deploy_go_back_too():
    assert said(ask(burn=BURN, plan=SILENT, **BACK)) == ("roll_back", "2")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"previous": WORSE}, QUIET),  # better by chance only
        ({"previous": None}, QUIET),  # nothing to compare with
        ({"deploy": None}, QUIET),  # it fell without our doing
    ],
)
def test_without_proof_against_the_deploy_quality_is_answered_by_training(change, state):
    assert said(ask(FELL, state=state, **{**BACK, **change})) == ("retrain", "3")


def test_nothing_goes_back_by_itself_where_that_is_switched_off_or_during_a_rollout():
    assert said(ask(FELL, plan=replace(PLAN, fallback=False), **BACK)) == ("retrain", "3")
    during = ask(FELL, state=replace(QUIET, rollout_running=True), **BACK)
    assert during.action == "ignore"
    assert "a rollout is running, and its outcome comes first" in during.reason


def test_a_measured_floor_that_is_broken_trains_and_falls_back_only_to_what_is_better():
    found = ask(FLOOR, previous=BETTER)
    assert (*said(found), found.fall_back, found.request.reason) == ("retrain", "3", True, "quality")
    assert (found.cause, found.request.detail) == ("quality:roc_auc", "roc_auc is below its floor.")
    assert not ask(FLOOR, previous=WORSE).fall_back
    assert not ask(FELL, previous=BETTER).fall_back  # a warning moves no traffic


def test_a_critical_fall_goes_back_even_when_no_training_may_begin():
    found = ask(FLOOR, previous=BETTER, state=replace(QUIET, last_training_at=MONDAY))
    assert said(found) == ("roll_back", "3")
    assert ask(FLOOR, previous=WORSE, state=replace(QUIET, last_training_at=MONDAY)).action == "ignore"


def test_lasting_drift_asks_a_challenger_first_and_trains_only_if_that_one_is_better():
    assert said(ask(DRIFT)) == ("challenge", "4")
    assert said(ask(DRIFT, challenger=HELPS)) == ("retrain", "4")
    found = ask(DRIFT, challenger=HELPS_NOT)
    assert said(found) == ("ignore", "5")
    assert "a challenger of recent rows is no better on 900 newer ones" in found.reason
    assert said(ask(DRIFT, plan=replace(PLAN, challenger=False))) == ("retrain", "4")


@pytest.mark.parametrize(
    "heard",
    [
        replace(DRIFT, windows=2),  # it may pass
        replace(DRIFT, importance=0.04),  # it hardly matters
        replace(FAR, own_deploy=True),  # it is our own doing
        replace(ESTIMATE, windows=1),
    ],
)
def test_passing_or_unimportant_or_homemade_drift_is_left_alone_with_a_word(heard):
    found = ask(heard)
    assert said(found) == ("ignore", "5")
    assert found.reason.startswith(heard.message)


def test_drift_that_is_too_far_off_does_not_wait_for_further_windows():
    assert said(ask(FAR)) == ("challenge", "4")
    strict = replace(PLAN, drift="critical")
    assert said(ask(FAR, plan=strict)) == ("challenge", "4")
    assert said(ask(DRIFT, plan=strict)) == ("ignore", "5")


def test_where_labels_are_too_few_to_tell_only_severe_drift_trains():
    few = replace(HELPS, rows=LEAST - 1)
    assert said(ask(FAR, challenger=few)) == ("retrain", "4")
    assert said(ask(DRIFT, challenger=few)) == ("ignore", "5")


def test_an_estimate_never_trains_by_itself():
    assert said(ask(ESTIMATE)) == ("challenge", "4")
    assert said(ask(ESTIMATE, challenger=replace(HELPS, rows=LEAST - 1))) == ("ignore", "5")
    assert ask(ESTIMATE, plan=SILENT).action == "ignore"


def test_a_second_challenger_waits_for_the_cool_down():
    state = replace(QUIET, last_challenge_at=MONDAY)
    held = ask(DRIFT, state=state)
    assert held.action == "ignore"
    assert "a challenger was tried at 2013-03-04 03:00 UTC" in held.reason
    assert ask(DRIFT, state=state, now=MONDAY + 6 * HOUR).action == "challenge"


def test_each_rule_yields_to_the_one_above():
    everything = {**BROKEN, **BACK, "burn": BURN, "calls": (CALL,), "challenger": HELPS}
    state = replace(QUIET, labelled_rows_since_training=60_000, last_cron_check=MONDAY - HOUR)
    heard, plan, order = [FLOOR, DRIFT], PLAN, []
    for without in ("broken", "deploy", None, None, "burn", "rows", "calls", None):
        found = ask(*heard, plan=plan, state=state, **everything)
        order.append((found.rule[:1], found.request.reason if found.request else found.action))
        if without in everything:
            del everything[without]
        elif without == "rows":
            state = replace(state, labelled_rows_since_training=0)
        elif heard:
            heard.pop(0)
    assert order == [
        ("1", "quarantine"), ("2", "roll_back"), ("3", "quality"), ("4", "drift"), ("6", "slo"), ("6", "new_rows"),
        ("6", "webhook"), ("6", "cron"),
    ]  # fmt: skip


def test_a_call_of_a_webhook_is_the_reason_and_names_its_caller():
    found = ask(calls=(CALL, replace(CALL, id="refresh-2")), plan=SILENT)
    assert found.request.reason == "webhook"
    assert found.reason == "`api:1` called the webhook `refresh` (call refresh-1 and 1 more)."


@pytest.mark.parametrize(
    ("change", "plan", "why"),
    [
        ({"running": True}, PLAN, "a training is running already"),
        ({"rollout_running": True}, PLAN, "a rollout is running"),
        ({"last_training_at": MONDAY}, PLAN, "the cool-down since the last training ends at 2013-03-04 09:00 UTC"),
        ({"trainings": tuple(MONDAY - n * DAY for n in range(1, 5))}, PLAN, "have used up the budget of 4"),
        ({}, replace(PLAN, new_labels=11), "10 labelled rows are new, and 11 are waited for"),
        ({"money_spent": 9.0, "money_next": 1.5}, replace(PLAN, money=10.0), "cost 9.00, one more about 1.50, and 10"),
    ],
)
@pytest.mark.parametrize("what", [{"heard": FELL}, {"heard": FAR}, {"calls": (CALL,)}, {"burn": BURN}, {"cron": True}])
def test_every_guard_stops_every_wish_and_says_so(change, plan, why, what):
    due = MONDAY - HOUR if "cron" in what else MONDAY
    more = {name: value for name, value in what.items() if name in ("calls", "burn")}
    heard = [what["heard"]] if "heard" in what else []
    found = ask(*heard, plan=plan, state=replace(QUIET, last_cron_check=due, **change), **more)
    assert (found.action, found.request) == ("ignore", None)
    assert " No retraining: " in found.reason
    assert why in found.reason


@pytest.mark.parametrize(("refused", "times"), [(0, 1), (1, 2), (2, 4), (3, 4), (50, 4)])
def test_refusals_double_the_cool_down_also_for_the_schedule(refused, times):
    state = replace(QUIET, last_training_at=MONDAY, refused_in_a_row=refused, last_cron_check=MONDAY - HOUR)
    end = MONDAY + times * PLAN.cooldown
    assert ask(state=state, now=end).request.reason == "cron"
    assert ask(state=state, now=end - HOUR).action == "ignore"


def test_two_refusals_in_an_episode_ask_a_human_once_and_then_wait():
    state = replace(QUIET, cause=FELL.thing, refused_in_episode=2)
    found = ask(FELL, state=state)
    assert said(found) == ("ask", "3")
    assert "The gate refused 2 candidates of this episode" in found.reason
    waits = ask(FELL, state=replace(state, asked=7))
    assert waits.action == "ignore"
    assert "a human has to say whether to go on" in waits.reason
    assert "a human said no" in ask(FELL, state=replace(state, asked=7, answer="no")).reason
    assert said(ask(FAR, state=state)) == ("challenge", "4")  # another episode
    assert ask(FELL, state=replace(state, last_cron_check=MONDAY - HOUR, asked=7)).request.reason == "cron"
    assert ask(FELL, state=state, plan=replace(PLAN, ask_after=3)).action == "retrain"


def test_the_evidence_names_what_was_looked_at():
    evidence = dict(ask(FELL, **BACK).evidence)
    assert evidence["previous"] == "version 2: gain 0.02, at least 0.01"
    assert evidence["deploy"] == "version 3 at 2013-03-03T20:00:00.000000+00:00"
    assert evidence["budget"] == "0 of 4 trainings in 30 days"
