"""Verdicts are kept as they were given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from detent.errors import DetentError
from detent.gate import store
from detent.gate.judge import judge
from detent.records.check import Verdict
from detent.store.canonical import canonical
from detent.store.database import Database
from detent.store.migrate import migrate

from .builders import BINDING, NOW, check, evidence


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return judge([check("roc_auc >= 0.65"), check("latency_p99 <= 20ms")], evidence(), binding=BINDING, now=NOW)


@pytest.fixture
def verdicts(db: Database) -> Database:
    migrate(db, ["detent.gate"])
    return db


def test_a_verdict_comes_back_as_it_was_saved(verdicts: Database, verdict: Verdict, now: datetime) -> None:
    with verdicts.transaction() as tx:
        assert store.save(tx, verdict, "delay", now)
    assert store.load(verdicts, verdict.id) == verdict


def test_saving_twice_keeps_the_first(verdicts: Database, verdict: Verdict, now: datetime) -> None:
    with verdicts.transaction() as tx:
        assert store.save(tx, verdict, "delay", now)
        assert not store.save(tx, replace(verdict, reason="edited"), "delay", now)
    assert store.load(verdicts, verdict.id).reason == verdict.reason


def test_a_failed_transaction_leaves_no_verdict(verdicts: Database, verdict: Verdict, now: datetime) -> None:
    with pytest.raises(RuntimeError), verdicts.transaction() as tx:
        store.save(tx, verdict, "delay", now)
        raise RuntimeError
    with pytest.raises(DetentError, match="no verdict"):
        store.load(verdicts, verdict.id)


def test_the_history_of_a_model_begins_with_the_newest(verdicts: Database, verdict: Verdict, now: datetime) -> None:
    second = judge([], evidence(), binding=BINDING, now=NOW + timedelta(days=1))
    other = judge([], evidence(seed=4), binding=BINDING, now=NOW)
    with verdicts.transaction() as tx:
        store.save(tx, verdict, "delay", now)
        store.save(tx, second, "delay", now)
        store.save(tx, other, "fraud", now)
    assert [kept.id for kept in store.history(verdicts, "delay")] == [second.id, verdict.id]
    assert store.history(verdicts, "nobody") == []


def test_a_bundle_keeps_its_place_among_those_judged_on_the_same_rows(verdicts: Database) -> None:
    with verdicts.transaction() as tx:
        places = [store.rank(tx, "delay", "rows", bundle) for bundle in ("a", "b", "a", "c", "b")]
    assert places == [1, 2, 1, 3, 2]
    assert store.judged_on(verdicts, "delay", "rows") == 3


def test_other_rows_and_other_models_count_from_one(verdicts: Database) -> None:
    with verdicts.transaction() as tx:
        assert store.rank(tx, "delay", "rows", "a") == 1
        assert store.rank(tx, "delay", "later rows", "b") == 1
        assert store.rank(tx, "fraud", "rows", "b") == 1
    assert store.judged_on(verdicts, "delay", "no rows") == 0


def test_a_place_that_was_taken_in_vain_is_kept_by_its_bundle_only(verdicts: Database) -> None:
    with pytest.raises(RuntimeError), verdicts.transaction() as tx:
        store.rank(tx, "delay", "rows", "a")
        raise RuntimeError
    with verdicts.transaction() as tx:
        assert store.rank(tx, "delay", "rows", "b") == 1


def test_the_fact_keeps_what_was_measured_apart(verdict: Verdict) -> None:
    fact = store.fact(verdict, model="delay", actor="cli:ann")
    assert (fact.kind, fact.subject, fact.actor) == ("verdict.passed", "model:delay", "cli:ann")
    assert canonical(fact.payload)
    assert fact.payload["checks"]["latency_p99 <= 20ms"] == "pass"
    assert "latency_p99 <= 20ms" in fact.observed
    assert " ms" not in canonical(fact.payload).decode()
