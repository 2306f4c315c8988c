"""Each kind of bad candidate, made from a champion that serves, before the gate of its project."""

from __future__ import annotations

import httpx
import pytest

from detent.loop.champion import champion_version
from detent.loop.controller import Controller
from detent.loop.report.story import tell
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import kinds, ship, spoiled, stops
from detent.loop.sabotage.tampering import KINDS as TAMPERING
from detent.loop.servers.serve import NeighbourGateway, OwnGateway
from detent.loop.train import submit
from detent.loop.workspace import Workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.registry import aliases
from detent.rollout import store as rollouts
from detent.serving.workers.supervisor import Supervisor
from detent.store import ledger

ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}
# Hours say little about these orders; and a gate without a line on calibration lets an unsure model through.
ELSEWHERE = ("time_zone", "under_confident")


def test_there_are_at_least_25_kinds_and_each_says_where_it_is_stopped() -> None:
    assert len(kinds()) >= 25
    assert {stops(kind) for kind in kinds()} == {"gate", "registry", "admission", "canary"}


@pytest.mark.parametrize("kind", [kind for kind in kinds() if stops(kind) == "gate" and kind not in ELSEWHERE])
def test_the_gate_refuses_what_it_must_refuse(served: Workspace, kind: str) -> None:
    champion = champion_version(served)
    assert champion is not None
    verdict, version = submit(served, spoiled(served, champion, kind), ingest_all(served, served.now()))
    assert version is None, verdict.reason
    assert verdict.decision in ("reject", "inconclusive")
    assert verdict.reason


def test_hours_of_another_time_zone_pass_only_where_hours_hardly_matter(served: Workspace) -> None:
    champion = champion_version(served)
    assert champion is not None
    verdict, version = submit(served, spoiled(served, champion, "time_zone"), ingest_all(served, served.now()))
    (margin,) = [result for result in verdict.results if result.kind == "versus"]
    assert margin.value is not None
    assert (version is None) == (margin.decision != "pass")


def test_a_kind_that_harms_less_than_the_gate_forbids_is_said_to_have_passed_it(
    served: Workspace, executor: LocalExecutor
) -> None:
    told = ship(served, Controller(served, NeighbourGateway(served), executor, tell=lambda _: None), "under_confident")
    assert "passed the gate, which should stop it, as version 2" in str(told)
    assert "detent gate explain 2" in str(told)


@pytest.mark.parametrize("kind", TAMPERING)
def test_whoever_gets_at_a_candidate_behind_the_gate_is_found_out_before_it_answers_anybody(
    served: Workspace, gateway: Supervisor, executor: LocalExecutor, kind: str
) -> None:
    own = OwnGateway(gateway)
    told = ship(served, Controller(served, own, executor, tell=lambda _: None), kind)
    assert f"was refused by the {stops(kind)}" in str(told)
    (stopped,) = ledger.read(served.db, kind="sabotage.stopped")
    assert stopped.payload["where"] == stops(kind)
    assert aliases.all_current(served.db, served.model)["champion"] == 1
    assert rollouts.current(served.db, served.project.serving.endpoint) is None
    with httpx.Client(base_url=gateway.address) as client:
        answers = [client.post("/v1/models/shop:predict", json={"inputs": [ROW]}).json() for _ in range(20)]
    assert {line["version"] for answer in answers for line in answer["predictions"]} == {1}
    story = tell(ledger.read(served.db), [])
    assert story.sabotage == ((kind, f"refused by the {stops(kind)}", stopped.payload["reason"]),)
