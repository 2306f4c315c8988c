"""`detent rollout start|plan|extend`, `detent why`, `detent rollback`: what people type and read."""

from __future__ import annotations

import json
import shutil

import pytest

from detent.loop.workspace import open_workspace
from detent.predictions import places
from detent.rollout import store
from detent.store import ledger

from .commands import Shop, Up, wait_until

CANARY = """  {stages: [shadow, 10%, 50%, 100%], min_requests: 20, min_entities: 20, min_time: 12h, max_time: 14d,
   on_timeout: rollback, promote: {failures: 10%, slow: 10%, slower: 20%}}"""


def test_a_rollout_is_started_prolonged_and_ended_from_the_command_line(shop: Shop) -> None:
    begun = shop.detent("rollout", "start", "2", "--reason", "trees are deeper")
    assert begun.status == 0, begun.err
    assert begun.out.startswith("shop-2 (canary of version 2): running, version 2 at shadow\n")
    assert "nobody serves now" in begun.out
    longer = shop.detent("rollout", "extend", "--reason", "more traffic tomorrow")
    assert longer.status == 0, longer.err
    assert longer.out.startswith("shop-2 has its whole time again, from 20")
    why = shop.detent("why", "2")
    assert why.status == 0, why.err
    assert "shop-2: canary of version 2, beside version 1." in why.out
    assert "Nobody has looked yet: the controller of `detent up` does." in why.out
    many = shop.detent("rollout", "list")
    assert many.status == 0, many.err
    assert [line.split()[0] for line in many.out.splitlines()[::2]] == ["shop-2", "shop-1"]
    assert many.out.splitlines()[0].endswith("UTC  canary of version 2, beside version 1: running")
    assert shop.detent("rollout", "list", "--limit", "1").out.startswith("shop-2 ")
    both = shop.detent("replay", "--version", "1", "--alias", "champion")
    assert (both.status, "both name a version" in both.err) == (2, True)
    assert "champion is version 1: " in shop.detent("log").out
    ended = shop.detent("rollback", "--reason", "second thoughts")
    assert ended.out == "rollout of version 2 ended; version 1 answers everything\n"
    why = shop.detent("why", "shop-2")
    assert why.status == 0, why.err
    assert "rolled back." in why.out.splitlines()[0]
    assert "Asked for: second thoughts" in why.out
    assert "nothing to take again" in why.out
    ws = open_workspace(shop.folder)
    told = [(event.kind, event.payload.get("reason")) for event in ledger.read(ws.db, kind="rollout")][2:]
    assert told == [
        ("rollout.opened", None),
        ("rollout.extended", "more traffic tomorrow"),
        ("rollout.rolled_back", "Asked for: second thoughts"),
    ]


def test_the_first_version_of_a_model_is_explained_without_a_champion(shop: Shop) -> None:
    why = shop.detent("why", "1")
    assert why.status == 0, why.err
    assert "shop-1: canary of version 1, the first of its model." in why.out
    assert "None" not in why.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rollout", "start", "1"), "version 1 is the champion of `shop` already"),
        (("rollout", "start", "7"), "`shop` has no version 7"),
        (("rollout", "start", "2", "1"), "can't be rolled out together"),
        (("rollout", "extend", "--reason", "x"), "there is nothing to extend"),
        (("why", "shop-9"), "did you mean `shop-1`"),
        (("why", "nothing"), "`shop` had 1 rollout"),
        (("deploy", "0"), "`shop` has no version 0"),
    ],
)
def test_what_can_not_be_done_is_refused_with_the_reason(shop: Shop, words: tuple[str, ...], said: str) -> None:
    told = shop.detent(*words)
    assert told.status == 3
    assert said in told.err
    assert "Traceback" not in told.err
    ws = open_workspace(shop.folder)
    assert store.current(ws.db, "shop") is None


@pytest.mark.parametrize(
    "words",
    [
        ("rollout", "start"),
        ("rollout", "start", "two"),
        ("rollout", "start", "2", "--reason", " "),
        ("rollout", "extend"),
        ("rollout", "extend", "--reason", ""),
        ("rollout", "plan", "--rate", "nan"),
        ("rollout", "plan", "--failing", "nan"),
        ("rollback", "--reason", ""),
        ("deploy", "--reason", ""),
        ("drill", "rollback", "--workers", "-3"),
        ("replay", "--tolerance", "nan"),
        ("replay", "--since", "99999999d"),
        ("replay", "--until", "yesterday"),
        ("why",),
    ],
)
def test_words_that_are_missing_or_wrong_are_a_usage_error(shop: Shop, words: tuple[str, ...]) -> None:
    told = shop.detent(*words)
    assert told.status == 2
    assert "Usage: detent" in told.err


def test_a_second_rollout_waits_for_the_first(shop: Shop) -> None:
    assert shop.detent("rollout", "start", "2").status == 0
    second = shop.detent("rollout", "start", "2")
    assert second.status == 3
    assert "rollout shop-2 of version 2 is still running there" in second.err


def test_a_plan_reckons_with_what_was_told_or_with_what_was_logged(shop: Shop) -> None:
    told = shop.detent("rollout", "plan", "--rate", "1", "--failing", "0.002")
    assert told.status == 0, told.err
    assert "canary: 1 request per second, 0.20% of the champion's requests fail (as told)" in told.out
    assert "proof of no more failures" in told.out
    assert "proof of no more slow answers" in told.out
    assert "gets all traffic after about 36 h." in told.out
    silent = shop.detent("rollout", "plan")
    assert "without traffic nothing is ever decided" in silent.out
    assert "say what you expect: detent rollout plan --rate REQUESTS_PER_SECOND" in silent.out
    assert "Invalid value for '--failing'" in shop.detent("rollout", "plan", "--failing", "2").err


def test_an_ab_test_and_a_bandit_are_planned_and_started_by_the_same_words(shop: Shop) -> None:
    shop.declare(CANARY, "  {kind: ab, split: 40%, lasts: 1d}")
    assert "runs 24 h: about 172,800 requests" in shop.detent("rollout", "plan", "--rate", "2").out
    begun = shop.detent("rollout", "start", "2")
    assert begun.out.startswith("shop-2 (ab of version 2): running, version 1 at 60 %, version 2 at 40 %")
    longer = shop.detent("rollout", "extend", "--reason", "one more day")
    assert longer.status == 3
    assert "it has no stages: it ends 24 h after it began" in longer.err
    assert shop.detent("rollback").status == 0
    shop.declare("{kind: ab, split: 40%, lasts: 1d}", "{kind: bandit, reward: label, lasts: 1d}")
    begun = shop.detent("rollout", "start", "2")
    assert begun.out.startswith("shop-3 (bandit of version 2): running, version 1 at 50 %, version 2 at 50 %")


def test_a_version_that_fails_under_traffic_is_rolled_back_and_why_takes_the_decision_again(shop: Shop) -> None:
    shop.declare("[shadow, 10%, 50%, 100%]", "[50%, 100%]")
    with Up(shop.folder) as up:
        assert shop.detent("rollout", "start", "2").status == 0
        asked = 0
        while not up.said("failed") and asked < 5000:
            asked += 1
            assert up.predict(f"customer {asked}", price=10.0 + asked * 0.37)["score"] is not None
        wait_until(lambda: up.said("failed"))
        plan = shop.detent("rollout", "plan")
        assert "0.00% of the champion's requests fail (lately)" in plan.out, "those of version 2 are not the champion's"
        assert "canary: 0 requests" not in plan.out
    why = shop.detent("why", "2")
    assert why.status == 0, why.out + why.err
    assert "roll back (version 2 at 50%), by controller" in why.out
    assert "Taken again from what was kept: the same." in why.out
    assert "failures " in why.out

    moved = shop.folder / "predictions"
    shutil.move(places.segments(shop.folder / ".detent").parent, moved)
    lost = shop.detent("why", "2")
    assert lost.status == 2
    assert "THE LOG HOLDS FEWER ROWS than were counted for it." in lost.out
    shutil.move(moved, places.segments(shop.folder / ".detent").parent)
    assert shop.detent("why", "2").status == 0

    ws = open_workspace(shop.folder)
    with ws.db.transaction() as tx:
        tx.execute(
            "UPDATE rollout_decisions SET step = REPLACE(step, 'requests failed', 'requests went wrong') "
            "WHERE rollout = 'shop-2'"
        )
    reworded = shop.detent("why", "2")
    assert reworded.status == 0, "an older version of detent may have said it with other words"
    assert "Taken again from what was kept: the same, in other words: Version 2: " in reworded.out

    with ws.db.transaction() as tx:
        row = tx.row("SELECT look FROM rollout_decisions WHERE rollout = 'shop-2'")
        assert row is not None
        look = json.loads(row["look"])
        look["tallies"][0]["candidate"]["failures"] = {"events": 0, "independent": 0}
        tx.execute("UPDATE rollout_decisions SET look = :look WHERE rollout = 'shop-2'", look=json.dumps(look))
    forged = shop.detent("why", "2")
    assert forged.status == 2
    assert "TAKEN AGAIN, IT DIFFERS" in forged.out
