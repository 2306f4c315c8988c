"""Simulated weeks of a project with several classes: the same promises are kept, and a broken one is found."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from msgspec import structs

from detent.predictions import LabelCounts, record
from detent.records.prediction import Label
from detent.store.classes import class_number
from detent.store.database import Transaction
from detent.store.turns import LogRow
from detent.testing.sim.callers import stored, turned
from detent.testing.sim.campaign import Campaign, prepare
from detent.testing.sim.faults import Fault
from detent.testing.sim.many import live_through
from detent.testing.sim.parts import Parts
from detent.testing.sim.run import run_seed
from detent.testing.sim.serving import MortalLog

from .parcels_project import CLASSES, parcels_project

JOBS = len(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    logging.getLogger("detent").setLevel(logging.CRITICAL)  # refused versions are part of the game
    project = parcels_project(tmp_path_factory.mktemp("parcels") / "parcels")
    return prepare(project, tmp_path_factory.mktemp("campaign") / "campaign")


def test_every_promise_is_kept_with_several_classes_and_a_seed_gives_the_same_week(parcels: Campaign) -> None:
    week, again = run_seed(parcels, 4), run_seed(parcels, 4)
    assert week.broken == ""
    assert week.answers > 1_000
    assert (week.content, week.trace) == (again.content, again.trace)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_promise_is_broken_in_two_hundred_weeks_with_several_classes(parcels: Campaign) -> None:
    lived = live_through(parcels.folder, range(1, 201), jobs=JOBS, tell=lambda _: None)
    assert [(one.seed, one.broken) for one in lived if one.broken] == []


def test_a_quiet_week_trains_promotes_and_refuses(parcels: Campaign) -> None:
    week = run_seed(parcels, 2, faults=())
    told = "\n".join(week.trace)
    assert week.broken == ""
    for kind in ("rollout.promoted", "verdict.rejected", "window.watched", "window.judged"):
        assert kind in told


def test_truth_that_changes_or_is_corrected_goes_to_the_next_class(parcels: Campaign) -> None:
    faults = [Fault(kind=kind, step=8, steps=24, amount=1.0) for kind in ("wrong", "flip", "repeated", "shuffled")]
    assert run_seed(parcels, 3, faults=faults).broken == ""
    assert [turned(name, CLASSES) for name in CLASSES] == ["lost", "returned", "kept"]
    assert stored("lost") == class_number("lost")
    assert (turned(1.0, ()), turned(0.0, ()), turned(7.5, ()), stored(7.5)) == (0.0, 1.0, 7.5, 7.5)


class LogsTheScoreAlone(MortalLog):
    """Of each answer only the probability of the answered class is logged."""

    def append(self, rows: Sequence[LogRow], now: datetime, *, left_out: int = 0) -> bool:
        return super().append([structs.replace(row, scores=()) for row in rows], now, left_out=left_out)


def mixes_names_up(tx: Transaction, labels: Sequence[Label]) -> LabelCounts:
    """Whatever was lost is stored as returned."""
    lost, returned = class_number("lost"), class_number("returned")
    return record(tx, [replace(one, value=returned) if one.value == lost else one for one in labels])


@pytest.mark.parametrize(
    ("parts", "promise"),
    [
        (Parts(log=LogsTheScoreAlone), "the log lacks probabilities"),
        (Parts(record=mixes_names_up), "and the newest word is"),
    ],
    ids=["scores", "names"],
)
def test_a_planted_bug_with_classes_is_found(parcels: Campaign, parts: Parts, promise: str) -> None:
    assert promise in run_seed(parcels, 1, faults=(), parts=parts).broken
