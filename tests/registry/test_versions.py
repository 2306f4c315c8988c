from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent.bundle.keys import public_bytes
from detent.bundle.sign import seal
from detent.errors import RefusedError
from detent.records.check import Verdict
from detent.records.version import ModelVersion
from detent.registry import versions
from detent.store import ledger
from detent.store.database import Database

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def verdict_for(digest: str, decision: str = "pass") -> Verdict:
    verdict = Verdict(
        id=f"verdict-{digest[0]}", decision=decision, results=(), model_digest=digest, data_digest="d" * 64,
        policy_digest="e" * 64, champion_digest=None, reason="good", judged_at="2013-03-01T12:00:00.000000+00:00",
    )  # fmt: skip
    return seal(verdict, KEY)


def register(db: Database, now: datetime, letter: str, model: str = "risk") -> ModelVersion:
    digest = letter * 64
    with db.transaction() as tx:
        return versions.register(
            tx, model=model, digest=digest, verdict=verdict_for(digest), run=f"run-{letter}", origin="pipeline", now=now
        )


def events(db: Database) -> list[tuple[str, str]]:
    return [(event.kind, event.subject) for event in ledger.read(db)]


def test_versions_count_up_per_model_and_each_is_in_the_ledger(db: Database, now: datetime) -> None:
    assert [register(db, now, letter).number for letter in "abc"] == [1, 2, 3]
    assert register(db, now, "a", model="other").number == 1
    assert [version.run for version in versions.all_versions(db, "risk")] == ["run-a", "run-b", "run-c"]
    assert versions.get(db, "risk", 2) == versions.find(db, "risk", "b" * 64)
    assert events(db)[0] == ("version.registered", "version:risk/1")
    assert len(events(db)) == 4


def test_registering_the_same_digest_again_gives_the_same_version_and_writes_nothing(
    db: Database, now: datetime
) -> None:
    first = register(db, now, "a")
    register(db, now, "b")
    assert register(db, now, "a") == first
    assert len(events(db)) == 2


@pytest.mark.parametrize("decision", ["reject", "inconclusive", "PASS", ""])
def test_a_verdict_that_does_not_pass_registers_nothing(db: Database, now: datetime, decision: str) -> None:
    with pytest.raises(RefusedError, match="can't become a version"), db.transaction() as tx:
        versions.register(
            tx,
            model="risk",
            digest="a" * 64,
            verdict=verdict_for("a" * 64, decision),
            run="r",
            origin="pipeline",
            now=now,
        )
    assert versions.all_versions(db, "risk") == []
    assert events(db) == []


def test_a_verdict_about_another_bundle_registers_nothing(db: Database, now: datetime) -> None:
    with pytest.raises(RefusedError) as caught, db.transaction() as tx:
        versions.register(
            tx, model="risk", digest="b" * 64, verdict=verdict_for("a" * 64), run="r", origin="pipeline", now=now
        )
    assert "about bundle aaaaaaaaaaaa" in caught.value.why


def test_a_failing_verdict_does_not_even_find_a_registered_digest(db: Database, now: datetime) -> None:
    register(db, now, "a")
    with pytest.raises(RefusedError), db.transaction() as tx:
        versions.register(
            tx,
            model="risk",
            digest="a" * 64,
            verdict=verdict_for("a" * 64, "reject"),
            run="r",
            origin="pipeline",
            now=now,
        )


def test_with_the_public_key_an_edited_verdict_registers_nothing(db: Database, now: datetime) -> None:
    good = verdict_for("a" * 64)
    common = {"model": "risk", "digest": "a" * 64, "run": "r", "origin": "pipeline", "now": now}
    public = public_bytes(KEY)
    for bad in (replace(good, reason="trust me"), replace(good, signature="")):
        with pytest.raises(RefusedError) as caught, db.transaction() as tx:
            versions.register(tx, verdict=bad, public=public, **common)
        assert "sealed" in caught.value.why
    with db.transaction() as tx:
        assert versions.register(tx, verdict=good, public=public, **common).number == 1


def test_a_version_that_does_not_exist_is_refused_with_the_ones_that_do(db: Database, now: datetime) -> None:
    register(db, now, "a")
    with pytest.raises(RefusedError, match="no version 7") as caught:
        versions.get(db, "risk", 7)
    assert caught.value.why == "only version 1 is registered"
    register(db, now, "b")
    with pytest.raises(RefusedError) as caught:
        versions.get(db, "risk", 7)
    assert caught.value.why == "versions 1 to 2 are registered"


def test_a_failed_transaction_leaves_no_version_and_no_event(db: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), db.transaction() as tx:
        versions.register(
            tx, model="risk", digest="a" * 64, verdict=verdict_for("a" * 64), run="r", origin="pipeline", now=now
        )
        raise RuntimeError("crash")
    assert versions.all_versions(db, "risk") == []
    assert events(db) == []


def test_the_database_itself_refuses_a_second_row_for_one_number(db: Database, now: datetime) -> None:
    register(db, now, "a")
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)), db.transaction() as tx:
        tx.execute("INSERT INTO versions VALUES ('risk', 1, 'z', 'v', 'r', 'o', 't')")
