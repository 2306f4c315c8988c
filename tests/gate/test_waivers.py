"""Waivers: what they cover, what they never cover, and who may believe a verdict that passes by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent.bundle.codec import verdict_from_json, verdict_to_json
from detent.bundle.keys import genuine, public_bytes
from detent.bundle.sign import seal, sealed_bytes
from detent.bundle.waiver import sign_waiver, unearned, waiver_fault
from detent.gate import waivers
from detent.gate.advice import unwaivable
from detent.gate.declared import Touch
from detent.gate.judge import judge, judge_again
from detent.records.check import Verdict
from detent.records.waiver import NEVER, Waiver
from detent.store.canonical import digest
from detent.store.clock import iso
from detent.store.database import Database
from detent.store.migrate import migrate

from .builders import BINDING, NOW, check, evidence

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = public_bytes(KEY)
FLOOR, SIZE = "roc_auc >= 0.9", "size <= 1MB"
DAY = timedelta(days=1)


def waiver(text: str = FLOOR, *, key: Ed25519PrivateKey = KEY, **parts: Any) -> Waiver:
    told = {
        "id": "", "model": "delay", "verdict": "v" * 64, "bundle": BINDING.model_digest, "data": BINDING.data_digest,
        "check": text, "kind": "threshold" if text == FLOOR else text.split()[0], "owner": "ana",
        "reason": "a new airport", "made_at": iso(NOW), "expires": iso(NOW + 7 * DAY),
    }  # fmt: skip
    return sign_waiver(Waiver(**(told | parts)), key)


def given(*texts: str, by: tuple[Waiver, ...] = (), now=NOW, **parts: Any) -> Verdict:
    return judge([check(text) for text in texts or (FLOOR,)], evidence(**parts), binding=BINDING, now=now, waivers=by)


def test_a_waived_result_stays_rejected_and_the_verdict_passes_by_name_and_day() -> None:
    verdict = given(by=(waiver(),))
    result = verdict.results[0]
    assert (result.decision, result.waiver, verdict.decision) == ("reject", waiver().id, "pass")
    assert verdict.reason.startswith("passed with 1 waiver (ana, until 2013-04-08): roc_auc is 0.")
    assert verdict.waivers == (waiver(),)
    assert unearned(seal(verdict, KEY), PUBLIC) == ""


def test_an_inconclusive_result_can_be_waived_too() -> None:
    line = f"roc_auc >= {given().results[0].value - 0.005:.4f}"  # type: ignore[operator]
    assert given(line).decision == "inconclusive"
    verdict = given(line, by=(waiver(line, kind="threshold"),))
    assert (verdict.results[0].decision, verdict.decision) == ("inconclusive", "pass")


def test_one_waiver_does_not_cover_another_check() -> None:
    verdict = given(FLOOR, SIZE, by=(waiver(),))
    assert verdict.decision == "reject"
    assert SIZE in verdict.reason
    both = given(FLOOR, SIZE, by=(waiver(), waiver(SIZE, owner="bob")))
    assert both.reason.startswith("passed with 2 waivers (ana, until 2013-04-08; bob, until 2013-04-08): ")


def test_a_check_that_passes_needs_no_waiver_and_names_none() -> None:
    line = "roc_auc >= 0.55"
    verdict = given(line, by=(waiver(line, kind="threshold"),))
    assert (verdict.decision, verdict.waivers) == ("pass", ())
    assert verdict == given(line)


def test_a_waiver_expires_to_the_moment() -> None:
    end = waiver(expires=iso(NOW + DAY))
    last = NOW + DAY - timedelta(microseconds=1)
    assert given(by=(end,), now=last).decision == "pass"
    assert given(by=(end,), now=NOW + DAY).decision == "reject"


@pytest.mark.parametrize(
    "parts", [{"bundle": "e" * 64}, {"data": "e" * 64}, {"kind": "size"}, {"check": "roc_auc >= 0.8"}]
)
def test_a_waiver_for_another_model_other_rows_or_another_check_does_not_help(parts: dict[str, str]) -> None:
    assert given(by=(waiver(**parts),)).decision == "reject"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("baseline", {"score": np.full(1000, np.nan)}),
        ("overlap", {"train_keys": evidence().keys}),
        ("provenance", {"provenance": ("it lies",)}),
    ],
)
def test_no_waiver_lets_broken_scores_overlap_or_false_provenance_through(kind: str, fault: dict[str, Any]) -> None:
    text = f"{kind} (always on)"
    refused = given("size <= 50MB", **fault)
    guilty = next(result for result in refused.results if result.decision == "reject" and result.kind == kind)
    assert kind in NEVER
    assert unwaivable(guilty)
    helped = given("size <= 50MB", by=(waiver(text, kind=kind),), **fault)
    assert (helped.decision, helped.waivers) == ("reject", ())


@pytest.mark.parametrize(
    ("line", "name", "passes"),
    [
        ("overlap(near) <= 1%", "near", False),
        ("overlap(known_later) <= 0%", "known_later", False),
        ("overlap(by=customer) <= 20%", "entities:customer", True),
        ("overlap( by = near ) <= 20%", "entities:near", True),
    ],
)
def test_known_entities_can_be_answered_for_and_rows_or_labels_from_the_future_can_not(
    line: str, name: str, passes: bool
) -> None:
    told = Touch(rows=1000, touching=900, train_rows=5000, train_touching=None)
    about = waiver(line, kind="touch")
    refused = given(line, touch={name: told})
    assert refused.decision == "reject"
    assert (unwaivable(refused.results[0]) == "") == passes
    verdict = given(line, by=(about,), touch={name: told})
    assert (verdict.decision == "pass") == passes
    assert (waiver_fault(about, PUBLIC) == "") == passes
    assert (unearned(forged(refused, about), PUBLIC) == "") == passes


def test_an_input_that_the_project_does_not_make_can_not_be_waived() -> None:
    line = waiver("leakage (always on)", kind="leakage")
    foreign = given("size <= 50MB", by=(line,), allowed_inputs=frozenset({"x0"}))
    assert foreign.decision == "reject"
    perfect = evidence().y * 0.98 + 0.01
    telling = given("size <= 50MB", by=(line,), score=perfect, champion=None)
    assert (telling.decision, [used.id for used in telling.waivers]) == ("pass", [line.id])


def test_judging_again_by_a_waiver_changes_no_number() -> None:
    refused = seal(given(), KEY)
    again = judge_again(refused, [waiver()], now=NOW + DAY)
    assert again.decision == "pass"
    assert [replace(result, waiver="") for result in again.results] == list(refused.results)
    assert (again.policy_digest, again.champion_digest) == (refused.policy_digest, refused.champion_digest)
    assert again.id != refused.id
    assert again.signature == ""
    assert judge_again(again, [], now=NOW + 2 * DAY).decision == "reject"


def test_who_answers_is_part_of_what_a_verdict_is() -> None:
    ids = {given(by=(waiver(owner=owner),)).id for owner in ("ana", "bob")}
    assert len(ids) == 2


def test_the_seal_covers_the_waivers() -> None:
    verdict = seal(given(by=(waiver(),)), KEY)
    assert genuine(verdict.signature, sealed_bytes(verdict), PUBLIC)
    longer = replace(verdict, waivers=(replace(waiver(), expires=iso(NOW + 80 * DAY)),))
    none = replace(verdict, results=tuple(replace(result, waiver="") for result in verdict.results), waivers=())
    for edited in (longer, none):
        assert not genuine(verdict.signature, sealed_bytes(edited), PUBLIC)


def test_a_verdict_without_waivers_is_written_as_it_always_was() -> None:
    verdict = given("roc_auc >= 0.55")
    assert b"waiver" not in verdict_to_json(verdict)
    assert verdict_from_json(verdict_to_json(verdict)) == verdict
    by_waiver = given(by=(waiver(),))
    assert verdict_from_json(verdict_to_json(by_waiver)) == by_waiver


EDITS: dict[str, dict[str, str]] = {
    name: {name: value}
    for name, value in {
        "expires": iso(NOW + 80 * DAY), "owner": "bob", "reason": "x", "check": "roc_auc >= 0.1", "bundle": "e" * 64,
        "data": "e" * 64, "kind": "size", "model": "risk", "made_at": iso(NOW - DAY), "verdict": "w" * 64,
        "id": "0" * 64,
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("parts", EDITS.values(), ids=EDITS)
def test_an_edited_waiver_is_worth_nothing(parts: dict[str, str]) -> None:
    assert waiver_fault(waiver(), PUBLIC) == ""
    assert waiver_fault(replace(waiver(), **parts), PUBLIC)


def test_a_waiver_of_another_key_or_about_what_can_not_be_waived_is_worth_nothing() -> None:
    assert "not signed by this project's key" in waiver_fault(waiver(key=OTHER), PUBLIC)
    assert "not signed" in waiver_fault(replace(waiver(), signature=""), PUBLIC)
    assert "can't be waived" in waiver_fault(waiver("overlap (always on)", kind="overlap"), PUBLIC)


def forged(verdict: Verdict, named: Waiver | None, **parts: Any) -> Verdict:
    """Return a verdict that says pass by a waiver, sealed by the genuine key: whoever made it had the key's program."""
    results = (replace(verdict.results[0], waiver=named.id if named else ""), *verdict.results[1:])
    told = replace(verdict, decision="pass", results=results, waivers=(named,) if named else (), **parts)
    return seal(told, KEY)


@pytest.mark.parametrize(
    ("named", "parts", "why"),
    [
        (None, {}, "no waiver covers it"),
        (waiver(key=OTHER), {}, "not signed by this project's key"),
        (replace(waiver(), owner="bob"), {}, "was edited"),
        (waiver(bundle="e" * 64), {}, "another model or other rows"),
        (waiver(data="e" * 64), {}, "another model or other rows"),
        (waiver("roc_auc >= 0.1", kind="threshold"), {}, "is about the check `roc_auc >= 0.1`"),
        (waiver(), {"judged_at": iso(NOW + 8 * DAY)}, "had expired when the verdict was given"),
    ],
)
def test_a_sealed_verdict_that_passes_by_a_waiver_without_right_is_seen_through(named, parts, why) -> None:
    assert why in unearned(forged(given(), named, **parts), PUBLIC)


def test_a_sealed_pass_over_a_check_that_can_not_be_waived_is_seen_through() -> None:
    lying = given("size <= 50MB", provenance=("it lies",))
    order = sorted(lying.results, key=lambda result: result.kind != "provenance")
    about = waiver("provenance (always on)", kind="provenance")
    assert "can't be waived" in unearned(forged(replace(lying, results=tuple(order)), about), PUBLIC)


@pytest.fixture
def table(db: Database) -> Database:
    migrate(db, ["detent.gate"])
    return db


def test_a_waiver_is_kept_as_it_was_signed_and_its_row_remembers_what_became_of_it(table: Database) -> None:
    one, later = waiver(), waiver(expires=iso(NOW + 9 * DAY))
    with table.transaction() as tx:
        waivers.save(tx, one)
        waivers.save(tx, later)
        assert waivers.mark_used(tx, one.id, "v1")
        assert not waivers.mark_used(tx, one.id, "v1")
    assert [row.waiver for row in waivers.kept(table, "delay")] == [later, one]
    assert [(row.state, row.verdict) for row in waivers.kept(table, "delay")] == [("granted", None), ("used", "v1")]
    assert waivers.of_bundle(table, "delay", "e" * 64) == []
    assert waivers.kept(table, "risk") == []


def test_a_waiver_is_over_once(table: Database) -> None:
    with table.transaction() as tx:
        waivers.save(tx, waiver())
    assert list(waivers.due(table, "delay", iso(NOW + 6 * DAY))) == []
    assert [row.id for row in waivers.due(table, "delay", iso(NOW + 7 * DAY))] == [waiver().id]
    with table.transaction() as tx:
        assert waivers.mark_expired(tx, waiver().id)
        assert not waivers.mark_expired(tx, waiver().id)
    assert list(waivers.due(table, "delay", iso(NOW + 8 * DAY))) == []


def test_a_row_that_can_not_be_read_is_a_row_without_a_waiver(table: Database) -> None:
    with table.transaction() as tx:
        waivers.save(tx, waiver())
        tx.execute("UPDATE waivers SET waiver = '{}'")
    assert [row.waiver for row in waivers.kept(table, "delay")] == [None]


def test_the_ledger_hears_who_and_why() -> None:
    told = waivers.granted_fact(waiver(), actor="cli:ana")
    assert (told.kind, told.subject) == ("waiver.granted", f"waiver:{waiver().id[:12]}")
    assert told.payload["waiver"] == waiver().id
    assert (told.payload["owner"], told.payload["reason"], told.payload["check"]) == ("ana", "a new airport", FLOOR)


def test_the_record_of_a_waiver_is_frozen_in_its_form() -> None:
    """The signature covers these names: another one would break every waiver that was granted."""
    assert (
        digest(",".join(sorted(msgspec.to_builtins(waiver()))).encode())[:12]
        == digest(b"bundle,check,data,expires,id,kind,made_at,model,owner,reason,signature,verdict")[:12]
    )
