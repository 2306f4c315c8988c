from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from detent.errors import RefusedError
from detent.loop.caller import Caller
from detent.loop.controller import Controller
from detent.loop.datasets import ingest_all
from detent.loop.judge import bundle_folder, champion_version
from detent.loop.keep_up import keep_up
from detent.loop.release import advance, release, rollback
from detent.loop.sabotage import ship, spoiled
from detent.loop.serve import NeighbourGateway, OwnGateway, supervise
from detent.loop.traffic import apply_route, desired_route, previous_champion
from detent.loop.train import submit
from detent.loop.workspace import Workspace, open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import labels, read
from detent.registry import aliases, versions
from detent.serving.supervisor import Supervisor
from detent.store import ledger


@pytest.fixture
def gateway(served: Workspace) -> Iterator[Supervisor]:
    keep_up(served)
    supervisor = supervise(served, port=0)
    supervisor.start()
    yield supervisor
    supervisor.stop()


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
    assert canary <= 60
    assert aliases.all_current(served.db, served.model) == {"champion": 1}


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
