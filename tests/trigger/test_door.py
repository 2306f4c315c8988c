from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import KINDS, Databases
from detent.errors import RefusedError
from detent.store import ledger
from detent.store.migrate import migrate
from detent.trigger import calls, flight, store
from detent.trigger.door import answer, ask, recompute
from detent.trigger.signals import Asker, Signals, Surroundings

from .cases import BETTER, CALL, DAY, DEPLOY, DRIFT, FELL, FLOOR, HELPS, HELPS_NOT, HOUR, MONDAY, PLAN, SILENT

AROUND = Surroundings(labelled_rows=10, rollout_running=False)
OPEN = ("quality:roc_auc", "drift:temp")


def come(db, *heard, now=MONDAY, plan=PLAN, around=AROUND, holder="one", mine=None, model="delay", **signals):
    with db.transaction() as tx:
        return ask(
            tx, model, plan=plan, signals=Signals(heard=heard, **signals), around=around,
            asker=Asker(actor="controller", holder=holder), now=now, mine=mine,
        )  # fmt: skip


def train(db, passed, *, now, run="r1", passed_gate=True):
    """Do what follows a decision to train: start, judge, give the right back."""
    with db.transaction() as tx:
        store.training_started(tx, "delay", run=run, reason="test", labelled_rows=10, now=now)
        store.training_judged(tx, "delay", passed=passed_gate)
        flight.done(tx, passed.flight)


def kinds(db):
    return [event.kind for event in ledger.read(db)]


def test_whoever_is_let_through_holds_the_flight_and_nobody_else_trains(db):
    first = come(db, FELL)
    assert (first.decision.action, first.flight.token, first.number) == ("retrain", 1, 1)
    second = come(db, FELL, holder="two")
    assert (second.decision.action, second.flight) == ("ignore", None)
    assert "a training is running already" in second.decision.reason
    assert kinds(db) == ["training.requested", "trigger.decided", "training.ignored", "trigger.decided"]


def test_a_holder_that_died_loses_the_flight_after_its_lease_and_its_token_is_an_old_one(db):
    first = come(db, FELL)
    late = MONDAY + flight.LEASE
    second = come(db, FELL, holder="two", now=late)
    assert second.flight.token == 2
    with db.transaction() as tx:
        assert not flight.hold(tx, first.flight, now=late)
        flight.done(tx, first.flight)  # an old holder can't give away what is another's
        assert flight.taken(tx, "delay", late)
        assert flight.hold(tx, second.flight, now=late)
        flight.done(tx, second.flight)
        assert not flight.taken(tx, "delay", late)


def begin(db, *, now, run):
    """Do what a controller does before it is killed: start the training that it may."""
    with db.transaction() as tx:
        store.training_started(tx, "delay", run=run, reason="test", labelled_rows=10, now=now)


def test_a_training_whose_controller_was_killed_begins_again_without_waiting_for_its_reason(db):
    come(db, now=MONDAY - HOUR)
    assert come(db, now=MONDAY + HOUR).decision.request.reason == "cron"
    begin(db, now=MONDAY + HOUR, run="r1")
    assert come(db, now=MONDAY + HOUR + flight.LEASE / 2, holder="two").decision.action == "ignore"
    later = MONDAY + HOUR + flight.LEASE
    resumed = come(db, now=later, holder="two")  # the schedule is not due, and the cool-down of 6 hours is not over
    assert (resumed.decision.action, resumed.decision.rule) == ("retrain", "0 interrupted")
    assert resumed.decision.request.reason == "cron"
    assert resumed.decision.reason.startswith("The training of decision 1 was interrupted: The schedule")
    train(db, resumed, now=later, run="r2")
    assert come(db, now=later + 7 * HOUR, holder="two").decision.action == "ignore"


def test_a_training_that_is_interrupted_again_and_again_waits_like_any_other(db):
    come(db, now=MONDAY - HOUR)
    come(db, now=MONDAY + HOUR)
    begin(db, now=MONDAY + HOUR, run="r1")
    once = MONDAY + HOUR + flight.LEASE
    assert come(db, now=once, holder="two").decision.action == "retrain"
    begin(db, now=once, run="r2")
    twice = come(db, now=once + flight.LEASE, holder="three").decision
    assert (twice.action, "cool-down" in twice.reason) == ("ignore", True)
    last = come(db, now=once + PLAN.cooldown, holder="three").decision
    assert (last.action, last.request.reason) == ("retrain", "cron")
    assert last.reason.startswith("The training of decision 1 was interrupted: The schedule")


def test_a_training_that_was_interrupted_still_passes_the_other_guards(db):
    come(db, now=MONDAY - HOUR)
    come(db, now=MONDAY + HOUR)
    begin(db, now=MONDAY + HOUR, run="r1")
    later = MONDAY + HOUR + flight.LEASE
    held = come(db, now=later, around=replace(AROUND, rollout_running=True), holder="two").decision
    assert (held.action, "a rollout is running" in held.reason) == ("ignore", True)
    spent = come(db, now=later, plan=replace(PLAN, budget=1), holder="two").decision
    assert (spent.action, "used up the budget" in spent.reason) == ("ignore", True)


def test_a_challenge_goes_on_to_training_with_the_same_flight(db):
    first = come(db, DRIFT)
    assert first.decision.action == "challenge"
    second = come(db, DRIFT, challenger=HELPS, mine=first.flight)
    assert (second.decision.action, second.flight) == ("retrain", first.flight)


def test_a_challenger_that_is_no_better_ends_there_and_the_next_one_waits(db):
    first = come(db, DRIFT)
    second = come(db, DRIFT, challenger=HELPS_NOT, mine=first.flight)
    assert (second.decision.action, second.flight) == ("ignore", None)
    with db.transaction() as tx:
        flight.done(tx, first.flight)
    assert come(db, DRIFT, now=MONDAY + HOUR).decision.action == "ignore"
    assert come(db, DRIFT, now=MONDAY + PLAN.cooldown).decision.action == "challenge"


def test_broken_data_block_training_until_a_newer_window_is_whole(db):
    come(db, broken=("`temp` is empty",))
    assert kinds(db) == ["trigger.decided", "data.quarantined"]
    assert come(db, FELL, now=MONDAY + HOUR).decision.action == "ignore"
    released = come(db, FELL, now=MONDAY + 2 * HOUR, clean=True)
    assert released.decision.action == "retrain"
    assert kinds(db)[-3:] == ["data.released", "training.requested", "trigger.decided"]


def test_a_human_may_release_the_data_or_leave_them_where_they_are(db):
    number = come(db, broken=("`temp` is empty",)).number
    with db.transaction() as tx:
        answer(tx, "delay", number, yes=False, actor="cli:ana", now=MONDAY)
    assert come(db, FELL, now=MONDAY + HOUR).decision.action == "ignore"
    with db.transaction() as tx:
        answer(tx, "delay", number, yes=True, actor="cli:ana", now=MONDAY)
    assert come(db, FELL, now=MONDAY + HOUR).decision.action == "retrain"
    with db.transaction() as tx, pytest.raises(RefusedError, match="does not wait"):
        answer(tx, "delay", number, yes=True, actor="cli:ana", now=MONDAY)
    with db.transaction() as tx, pytest.raises(RefusedError, match="no decision 99"):
        answer(tx, "delay", 99, yes=True, actor="cli:ana", now=MONDAY)


def refuse_twice(db):
    for day in (0, 2):
        passed = come(db, FELL, now=MONDAY + day * DAY, episodes=OPEN)
        assert passed.decision.action == "retrain"
        train(db, passed, now=MONDAY + day * DAY, run=f"r{day}", passed_gate=False)


def test_two_refusals_ask_a_human_and_yes_goes_on(db):
    refuse_twice(db)
    asked = come(db, FELL, now=MONDAY + 4 * DAY, episodes=OPEN)
    assert asked.decision.action == "ask"
    assert kinds(db)[-2:] == ["trigger.decided", "human.asked"]
    assert come(db, FELL, now=MONDAY + 5 * DAY, episodes=OPEN).decision.action == "ignore"
    with db.transaction() as tx:
        answer(tx, "delay", asked.number, yes=True, actor="cli:ana", now=MONDAY + 5 * DAY)
    assert come(db, FELL, now=MONDAY + 5 * DAY, episodes=OPEN).decision.action == "retrain"


def test_after_a_no_nothing_is_trained_for_the_episode_until_it_ends(db):
    refuse_twice(db)
    asked = come(db, FELL, now=MONDAY + 4 * DAY, episodes=OPEN)
    with db.transaction() as tx:
        answer(tx, "delay", asked.number, yes=False, actor="cli:ana", now=MONDAY + 4 * DAY)
    assert "a human said no" in come(db, FELL, now=MONDAY + 6 * DAY, episodes=OPEN).decision.reason
    come(db, now=MONDAY + 6 * DAY + HOUR, episodes=())  # the episode closes
    assert come(db, FELL, now=MONDAY + 6 * DAY + 2 * HOUR, episodes=OPEN).decision.action == "retrain"


def test_refusals_of_the_schedule_only_make_it_wait_longer(db):
    plan = replace(SILENT, cron="0 3 * * *", budget=99)
    come(db, plan=plan)
    started = []
    for hours in range(0, 24 * 9, 6):
        now = MONDAY + timedelta(hours=hours)
        passed = come(db, plan=plan, now=now)
        assert passed.decision.action in ("retrain", "ignore")
        if passed.flight:
            started.append(hours // 24)
            train(db, passed, now=now, run=f"r{hours}", passed_gate=False)
    assert started == [1, 2, 3, 4, 5, 6, 7, 8]  # a day lies beyond four cool-downs of six hours


def test_a_clock_that_jumps_back_shrinks_no_cool_down(db):
    train(db, come(db, FELL, now=MONDAY + DAY), now=MONDAY + DAY)
    for now in (MONDAY, MONDAY - 300 * DAY, MONDAY + DAY):
        assert "ends at 2013-03-05 09:00 UTC" in come(db, FELL, now=now).decision.reason
    with db.transaction() as tx:
        store.training_started(tx, "delay", run="by hand", reason="manual", labelled_rows=10, now=MONDAY - 300 * DAY)
    assert [one.started_at[:10] for one in store.trainings_since(db, "delay", MONDAY)] == ["2013-03-05", "2013-03-05"]


def test_a_right_to_train_that_was_taken_with_a_clock_set_back_is_no_old_one(db):
    train(db, come(db, FELL), now=MONDAY)
    plan = replace(PLAN, cooldown=timedelta(0))
    taken = come(db, FELL, plan=plan, now=MONDAY - 300 * DAY)
    assert taken.flight is not None
    assert "a training is running" in come(db, FELL, plan=plan, now=MONDAY + timedelta(minutes=1)).decision.reason


def test_a_schedule_that_met_a_rollout_starts_after_it(db):
    come(db, now=MONDAY - HOUR)
    busy = replace(AROUND, rollout_running=True)
    assert come(db, now=MONDAY + HOUR, around=busy).decision.action == "ignore"
    passed = come(db, now=MONDAY + 5 * HOUR)
    assert passed.decision.request.reason == "cron"
    train(db, passed, now=MONDAY + 5 * HOUR)
    assert come(db, now=MONDAY + 30 * DAY, plan=SILENT).decision.action == "ignore"


def test_calls_wait_behind_guards_and_one_training_answers_them_all(db):
    with db.transaction() as tx:
        calls.declare(tx, "delay", ["refresh"])
        for key in ("a", "b"):
            calls.record_call(tx, calls.Asked(name="refresh", key=key, body="", caller="api:1", at=MONDAY))
    busy = replace(AROUND, rollout_running=True)
    assert come(db, around=busy, calls=calls.waiting(db, "delay")).decision.action == "ignore"
    assert len(calls.waiting(db, "delay")) == 2
    assert come(db, now=MONDAY + HOUR, calls=calls.waiting(db, "delay")).decision.request.reason == "webhook"
    assert calls.waiting(db, "delay") == ()


def test_every_stored_decision_is_taken_again_from_what_it_was_told(db):
    for number, (heard, more) in enumerate(
        [
            ([], {"broken": ("`temp` is empty",)}), ([FELL], {"clean": True}), ([FLOOR], {"previous": BETTER}),
            ([FELL], {"deploy": DEPLOY, "previous": BETTER}), ([DRIFT], {"episodes": OPEN}), ([], {"calls": (CALL,)}),
        ]
    ):  # fmt: skip
        passed = come(db, *heard, now=MONDAY + number * DAY, **more)
        if passed.flight:
            train(db, passed, now=MONDAY + number * DAY, run=f"r{number}", passed_gate=False)
    stored = store.decisions(db, "delay")
    assert len(stored) >= 5
    for one in stored:
        again = recompute(one)
        assert (again.action, again.reason, again.rule, again.evidence) == (
            one.action, one.reason, one.rule, one.evidence,
        )  # fmt: skip


moves = st.lists(
    st.tuples(
        st.integers(0, 1),  # which controller looks
        st.integers(1, 900),  # minutes since the last look
        st.sets(st.sampled_from(["drift", "far", "quality", "floor", "broken", "clean", "call", "rows", "better"])),
        st.sampled_from(["ends", "refused", "dies", "still trains"]),  # what becomes of a training
        st.booleans(),  # a rollout runs
    ),
    max_size=25,
)


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    """Two controllers' connections to one database."""
    path = tmp_path_factory.mktemp("pair") / "detent.db"
    server = None if request.param == "sqlite" else request.getfixturevalue("postgres_server")
    opener = Databases(request.param, server)
    controllers = [opener.open(path) for _ in range(2)]
    migrate(controllers[0], ["detent.store", "detent.trigger"])
    yield controllers
    assert ledger.verify(controllers[0]).intact
    opener.close()


MODELS = (f"model {number}" for number in itertools.count())  # each sequence has a past of its own


def check_guards(controllers, events, budget, cap):
    """Let two controllers look in turn, and check every guard at every training that begins."""
    model, plan = next(MODELS), replace(PLAN, budget=budget, budget_period=3 * DAY, cron="0 */3 * * *", money=cap)
    now, starts, held, resumed = store.forward(controllers[0], MONDAY), [], None, False
    things = {"drift": DRIFT, "far": replace(DRIFT, severe=True), "quality": FELL, "floor": FLOOR}
    for number, (who, minutes, wishes, fate, rollout) in enumerate(events):
        now, db = now + timedelta(minutes=minutes), controllers[who]
        if held is not None and held.fate == "still trains":
            held = still_trains(controllers[held.who], held, now, minutes)
        running = held is not None and (held.fate == "still trains" or now < held.since + flight.LEASE)
        spent = 3.0 * sum(start > now - plan.budget_period for start in starts)
        rows = 99_999 if "rows" in wishes else 0
        around = Surroundings(labelled_rows=rows, rollout_running=rollout, money_spent=spent, money_next=3.0)
        passed = come(
            db, *[found for name, found in things.items() if name in wishes],
            now=now, plan=plan, around=around, holder=str(who), model=model,
            broken=("broken",) if "broken" in wishes else (), clean="clean" in wishes,
            previous=BETTER if "better" in wishes else None, calls=(CALL,) if "call" in wishes else (),
        )  # fmt: skip
        assert (passed.flight is not None) == (passed.decision.action in ("retrain", "challenge"))
        if passed.flight is None:
            continue
        assert not running
        assert not rollout
        assert "broken" not in wishes
        if passed.decision.action == "challenge":
            with db.transaction() as tx:
                flight.done(tx, passed.flight)
            held = None
            continue
        early = bool(starts) and now - starts[-1] < plan.cooldown
        if early:  # only what was interrupted begins again at once, and only once in a row
            assert passed.decision.rule == "0 interrupted"
            assert held is not None
            assert held.fate == "dies"
            assert not resumed
        resumed = early
        starts.append(now)
        assert sum(start > now - plan.budget_period for start in starts) <= min(budget, cap // 3)
        with db.transaction() as tx:
            store.training_started(tx, model, run=f"r{number}", reason="", labelled_rows=0, now=now)
            if fate in ("ends", "refused"):
                store.training_judged(tx, model, passed=fate == "ends")
                flight.done(tx, passed.flight)
        held = Held(passed.flight, fate, who, now) if fate in ("dies", "still trains") else None


class Held(NamedTuple):
    """A training that has not ended."""

    flight: flight.Flight
    fate: str
    who: int
    since: datetime


def still_trains(db, held, now, minutes):
    """Renew the right to train in odd minutes, else end the training."""
    with db.transaction() as tx:
        if minutes % 2:
            assert flight.hold(tx, held.flight, now=now)
            return held
        flight.done(tx, held.flight)
        return None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves, st.sampled_from([1, 2, 4]), st.sampled_from([3.0, 6.0, 100.0]))
def test_two_controllers_never_break_a_guard(pair, events, budget, cap):
    check_guards(pair, events, budget, cap)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves, st.sampled_from([1, 2, 4]), st.sampled_from([3.0, 6.0, 100.0]))
def test_ten_thousand_sequences_of_alarms_break_no_guard(pair, events, budget, cap):
    check_guards(pair, events, budget, cap)
