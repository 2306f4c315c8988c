"""Each kind of bad candidate, made from a champion that serves, before the gate of its project."""

from __future__ import annotations

from importlib import import_module

import pytest

from detent import plugins
from detent.loop.datasets import ingest_all
from detent.loop.judge import champion_version
from detent.loop.sabotage import spoiled
from detent.loop.train import submit
from detent.loop.workspace import Workspace

KINDS = plugins.names("sabotage")
# Hours say little about these orders; and a gate without a line on calibration lets an unsure model through.
ELSEWHERE = ("time_zone", "under_confident")


def stops(kind: str) -> str:
    return import_module(plugins.load("sabotage", kind).__module__).STOPS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if stops(kind) == "gate" and kind not in ELSEWHERE])
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
