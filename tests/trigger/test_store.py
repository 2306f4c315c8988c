from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detent.records.run import RunRequest, TriggerDecision
from detent.store import ledger
from detent.trigger.signals import Surroundings
from detent.trigger.store import decisions, load, record_decision, training_judged, training_started

from .cases import PLAN

T0 = datetime(2013, 3, 4, 3, tzinfo=UTC)
DAY = timedelta(days=1)
QUIET = TriggerDecision(action="ignore", request=None, reason="Nothing asks for a retraining.")
HELD = TriggerDecision(action="ignore", request=None, reason="Much has moved. No retraining: a rollout is running.")
YES = TriggerDecision(
    action="retrain",
    request=RunRequest(reason="drift", detail="Much has moved.", asked_at=T0.isoformat(), actor="test"),
    reason="Much has moved.",
)


def state(db, now=T0, labelled=0, model="delay"):
    around = Surroundings(labelled_rows=labelled, rollout_running=False)
    return load(db, model, plan=PLAN, around=around, running=False, now=now)


def record(db, decision, checked=T0):
    with db.transaction() as tx:
        return record_decision(tx, "delay", decision, last_cron_check=checked, actor="test", now=T0)


def test_a_new_model_has_no_past(db):
    found = state(db, labelled=70)
    assert (found.last_training_at, found.last_cron_check, found.trainings, found.refused_in_a_row) == (
        None,
        None,
        (),
        0,
    )
    assert found.labelled_rows_since_training == 70


def test_trainings_count_for_cool_down_budget_and_new_rows(db):
    with db.transaction() as tx:
        for number, day in enumerate((0, 40, 41)):
            training_started(
                tx, "delay", run=f"r{number}", reason="cron", labelled_rows=100 * (number + 1), now=T0 + day * DAY
            )
    found = state(db, now=T0 + 42 * DAY, labelled=450)
    assert found.last_training_at == T0 + 41 * DAY
    assert found.trainings == (T0 + 40 * DAY, T0 + 41 * DAY)
    assert found.labelled_rows_since_training == 150
    assert state(db, model="other").trainings == ()


def test_refusals_add_up_until_one_passes(db):
    counts = []
    for passed in (False, False, True, False):
        with db.transaction() as tx:
            training_judged(tx, "delay", passed=passed)
        counts.append(state(db).refused_in_a_row)
    assert counts == [1, 2, 0, 1]


def test_the_schedule_is_remembered_and_nothing_else_is_lost(db):
    with db.transaction() as tx:
        training_started(tx, "delay", run="r1", reason="manual", labelled_rows=500, now=T0)
        training_judged(tx, "delay", passed=False)
    record(db, QUIET, checked=T0 + DAY)
    found = state(db, labelled=600)
    assert (found.last_cron_check, found.refused_in_a_row, found.labelled_rows_since_training) == (T0 + DAY, 1, 100)


def test_only_news_is_written_down(db):
    assert [record(db, d) for d in (QUIET, HELD, HELD, QUIET, YES, YES, HELD)] == [
        None, 1, None, None, 2, 3, 4,
    ]  # fmt: skip
    assert [decision.action for decision in decisions(db, "delay")] == ["ignore", "retrain", "retrain", "ignore"]
    assert [event.kind for event in ledger.read(db)] == [
        "training.ignored", "training.requested", "training.requested", "training.ignored",
    ]  # fmt: skip
