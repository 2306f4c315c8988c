from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest
from rich.console import Console

from detent.cli.overview import overview
from detent.errors import RefusedError
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.controller import Controller
from detent.loop.releases.evidence import Evidence
from detent.loop.releases.explain import explain
from detent.loop.releases.release import advance, extend, release, rollback
from detent.loop.releases.traffic import apply_route, desired_route, previous_champion
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import ship, spoiled
from detent.loop.servers.keep_up import keep_up
from detent.loop.servers.serve import NeighbourGateway, OwnGateway
from detent.loop.simulated.caller import Caller
from detent.loop.train import submit
from detent.loop.workspace import Workspace, open_workspace
from detent.monitor import outbox
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import labels, read
from detent.records.project import Stage
from detent.registry import aliases, versions
from detent.serving.workers.supervisor import Supervisor
from detent.store import ledger


@pytest.fixture
def caller(gateway: Supervisor) -> Iterator[Caller]:
    address = urlsplit(gateway.address)
    made = Caller(str(address.hostname), int(address.port or 0))
    yield made
    made.close()


ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}


def second_version(ws: Workspace) -> int:
    """Register the raising sabotage: the only candidate that passes the gate and differs from the champion."""
    candidate = spoiled(ws, champion_version(ws), "raising")
    verdict, version = submit(ws, candidate, ingest_all(ws, ws.now()))
    assert version is not None, verdict.reason
    return version.number


def test_the_champion_answers_and_the_label_comes_back(served: Workspace, caller: Caller) -> None:
    reply = caller.predict("shop", ROW, "c1")
    assert (reply.status, reply.version, reply.fallback) == (200, 1, False)
    assert 0 < reply.score < 1
    caller.feedback([(reply.id, 1.0)])
    caller.feedback([(reply.id, 1.0)])
    assert labels.count(served.db) == 1
    logged = read(served.state)
    assert logged["id"].to_list() == [reply.id]
    assert json.loads(logged["inputs"][0])["category"] == "shoes"


def test_a_rollback_takes_effect_on_the_next_request_and_loads_nothing(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    own = OwnGateway(gateway)
    release(served, own, second_version(served), reason="test", hotfix=True)
    shares = {caller.predict("shop", ROW, f"customer {number}").version for number in range(200)}
    assert 1 in shares
    rollback(served, own, reason="test")
    assert {caller.predict("shop", ROW, f"customer {number}").version for number in range(100)} == {1}
    assert [event.kind for event in ledger.read(served.db, kind="rollout")][-1] == "rollout.rolled_back"


def test_a_version_that_raises_is_rolled_back_and_every_caller_got_an_answer(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    pool = LocalExecutor(workers=1)
    own = OwnGateway(gateway)
    told = ship(served, Controller(served, own, pool, tell=lambda text: None), "raising")
    assert "passed the gate" in str(told)
    replies, canary = [], 0
    for number in range(3000):
        reply = caller.predict("shop", {**ROW, "price": 10.0 + number * 0.37}, f"customer {number}")
        replies.append(reply)
        canary += reply.version == 2 or reply.fallback
        moved = advance(served, own)
        if moved is not None and moved.state == "rolled back":
            break
    pool.close()
    assert moved is not None
    assert moved.state == "rolled back"
    assert all(reply.status == 200 and reply.score is not None for reply in replies)
    assert canary <= 60  # it raises on a part of its rows only
    assert aliases.all_current(served.db, served.model) == {"champion": 1}
    _explains(served, moved.id)


def _explains(ws: Workspace, rollout: str) -> None:
    """`detent why` takes the decision again to the same end, and notices when what was kept has been edited."""
    told = explain(ws, rollout)
    text = "\n".join(told.lines)
    assert not told.differs
    assert "Taken again from what was kept: the same. The log gives the same counts." in text
    assert "harm" in text
    assert "ratio" in text
    with ws.db.transaction() as tx:
        row = tx.row("SELECT look FROM rollout_decisions WHERE rollout = :id", id=rollout)
        assert row is not None
        look = json.loads(row["look"])
        look["tallies"][0]["candidate"]["failures"] = {"events": 0, "independent": 0}
        tx.execute("UPDATE rollout_decisions SET look = :look WHERE rollout = :id", look=json.dumps(look), id=rollout)
    edited = explain(ws, rollout)
    assert edited.differs
    assert "IT DIFFERS" in "\n".join(edited.lines)
    with pytest.raises(RefusedError, match="no rollout `nothing`"):
        explain(ws, "nothing")


def with_plan(ws: Workspace, **changed: object) -> Workspace:
    plan = replace(ws.project.rollout, **changed)  # pyright: ignore[reportArgumentType]
    return replace(ws, project=replace(ws.project, rollout=plan))


def test_a_stage_without_an_answer_holds_its_weight_and_people_are_told_once(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    own, number = OwnGateway(gateway), second_version(served)
    ws = with_plan(served, max_time=timedelta(0), on_timeout="hold")
    release(ws, own, number, reason="test", hotfix=True)
    before = desired_route(ws).arms
    looks = [advance(ws, own) for _ in range(3)]
    rollout = looks[-1]
    assert rollout is not None
    assert (rollout.state, desired_route(ws).arms) == ("running", before)
    assert rollout.reason.startswith("Inconclusive")
    told = [event.kind for event in ledger.read(ws.db, kind="rollout")]
    assert told.count("rollout.inconclusive") == 1
    assert [one.alert.severity for one in outbox.pending(ws.db)] == ["WARNING"]
    extend(ws, reason="more traffic tomorrow")
    moved = advance(with_plan(ws, max_time=timedelta(0), on_timeout="rollback"), own)
    assert moved is not None
    assert moved.state == "called back"
    assert {caller.predict("shop", ROW, f"customer {number}").version for number in range(50)} == {1}


@pytest.mark.parametrize(
    "edited",
    [
        {"kind": "ab", "stages": (Stage(name="100%", weight=10_000),)},
        {"stages": (Stage(name="100%", weight=10_000),)},
        {"kind": "blue_green", "stages": (Stage(name="shadow", weight=0), Stage(name="100%", weight=10_000))},
    ],
)
def test_a_plan_that_is_edited_while_a_rollout_runs_gives_it_no_traffic(
    served: Workspace, edited: dict[str, object]
) -> None:
    gateway, number = NeighbourGateway(served), second_version(served)
    ws = with_plan(served, stages=(Stage(name="10%", weight=1000), Stage(name="100%", weight=10_000)))
    before = release(ws, gateway, number, reason="test")
    arms = desired_route(ws).arms
    later = with_plan(ws, **edited)
    assert desired_route(later).arms == arms
    moved = advance(later, gateway)
    assert moved is not None
    assert (moved.state, moved.stage) == ("running", before.stage)
    assert champion_version(ws) == versions.get(ws.db, ws.model, 1)
    assert "detent.yaml has another kind or other stages by now" in shown(later)
    rollback(later, gateway, reason="done")
    assert "detent.yaml has another" not in shown(later)


def shown(ws: Workspace) -> str:
    console = Console(width=200, file=StringIO(), highlight=False)
    console.print(overview(ws))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_an_ab_test_splits_callers_and_goes_back_to_the_champion_at_its_end(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    own, number = OwnGateway(gateway), second_version(served)
    ws = with_plan(served, kind="ab", stages=(Stage(name="100%", weight=10_000),))
    rollout = release(ws, own, number, reason="test")
    assert [(arm.version, arm.weight) for arm in rollout.arms] == [(1, 5000), (number, 5000)]
    assert rollout.reason == f"Versions 1 and {number} share the traffic, to be compared."
    evidence = Evidence()
    advance(ws, own, evidence)  # labels and means are looked at every 5 minutes, and once more at the end
    rows = [{**ROW, "price": 10.0 + one * 0.37} for one in range(20)]
    assert {caller.predict("shop", row, f"customer {row['price']}").status for row in rows} == {200}
    over = with_plan(ws, kind="ab", experiment=replace(ws.project.rollout.experiment, lasts=timedelta(0)))
    ended = advance(over, own, evidence)
    assert ended is not None
    assert "Nothing can be compared yet" not in ended.reason
    assert (ended.state, aliases.all_current(ws.db, ws.model)) == ("concluded", {"champion": 1})
    assert [(arm.version, arm.weight) for arm in desired_route(ws).arms] == [(1, 10_000)]
    assert not explain(ws, ended.id).differs


def test_a_canary_has_one_candidate(served: Workspace) -> None:
    with pytest.raises(RefusedError, match="together"):
        release(served, NeighbourGateway(served), 1, rivals=(1, 1, second_version(served)), reason="test")


@pytest.mark.parametrize("kind", ["constant", "inverted", "leak", "nan", "shuffled"])
def test_a_known_bad_candidate_is_refused_by_the_gate(served: Workspace, kind: str) -> None:
    verdict, version = submit(served, spoiled(served, champion_version(served), kind), ingest_all(served, served.now()))
    assert version is None
    assert verdict.decision == "reject"


def test_a_champion_set_by_hand_in_the_database_takes_no_traffic(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    """A forger who can write every table still has no signature over a verdict for his bundle."""
    honest = versions.get(served.db, served.model, 1)
    bad = spoiled(served, champion_version(served), "constant")
    _, refused = submit(served, bad, ingest_all(served, served.now()))
    assert refused is None
    with served.db.transaction() as tx:
        tx.execute(
            "INSERT INTO versions (model, number, digest, verdict, run, origin, registered_at) "
            "VALUES (:model, 2, :digest, :verdict, 'forged', 'pipeline', :at)",
            model=served.model, digest=bad.digest, verdict=honest.verdict, at=honest.registered_at,
        )  # fmt: skip
        tx.execute(
            "INSERT INTO alias_changes (seq, model, alias, number, at, actor, reason) "
            "VALUES (99, :model, 'champion', 2, :at, 'forger', '')",
            model=served.model, at="2099-01-01T00:00:00.000000+00:00",
        )  # fmt: skip
    assert aliases.current(served.db, served.model, "champion") == 2
    with pytest.raises(RefusedError, match="version 2 was refused"):
        apply_route(served, OwnGateway(gateway), reason="forged")
    assert caller.predict("shop", ROW, "c1").version == 1


def test_a_model_file_that_was_changed_is_not_served(served: Workspace) -> None:
    path = bundle_folder(served, versions.get(served.db, served.model, 1)) / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(RefusedError, match=r"model\.onnx"):
        keep_up(served)


def test_without_an_earlier_champion_there_is_nothing_to_roll_back_to(served: Workspace) -> None:
    assert previous_champion(served) is None
    with pytest.raises(RefusedError, match="nothing to roll back"):
        rollback(served, NeighbourGateway(served), reason="test")


def test_a_version_that_was_never_registered_can_not_be_released(served: Workspace) -> None:
    with pytest.raises(RefusedError):
        release(served, NeighbourGateway(served), 7, reason="test")


def test_a_killed_worker_is_replaced_and_nothing_that_was_answered_is_lost(
    served: Workspace, gateway: Supervisor, caller: Caller
) -> None:
    import os
    import signal

    answered = [caller.predict("shop", ROW, f"c{number}").id for number in range(50)]
    for pid in gateway.alive():
        os.kill(pid, signal.SIGKILL)
    address = urlsplit(gateway.address)
    fresh = Caller(str(address.hostname), int(address.port or 0))
    answered.append(fresh.predict("shop", ROW, "after").id)
    fresh.close()
    assert set(read(served.state)["id"]) == set(answered)


def test_a_restarted_controller_goes_on_with_the_rollout(served: Workspace, gateway: Supervisor) -> None:
    own = OwnGateway(gateway)
    number = second_version(served)
    release(served, own, number, reason="test")
    again = open_workspace(Path(served.project.folder), actor="test")
    rollout = advance(again, own)
    assert rollout is not None
    assert (rollout.candidate, rollout.state) == (number, "running")
    assert desired_route(again).shadows == (number,)


def test_rows_that_were_trained_on_are_refused_for_judging(served: Workspace) -> None:
    honest = spoiled(served, champion_version(served), "raising")
    overlapping = replace(honest, evaluation=pl.concat([honest.evaluation, honest.train.tail(200)]))
    verdict, version = submit(served, overlapping, ingest_all(served, served.now()))
    assert version is None
    assert "overlap" in verdict.reason
