"""Simulated weeks: every promise is kept whatever goes wrong, and a broken one is found, replayed and shrunk."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from tests.testing.bugs import BUGS

from detent.testing.sim.campaign import Campaign
from detent.testing.sim.faults import CRASH, KINDS, STEPS, Fault, draw
from detent.testing.sim.many import Lived, live_through
from detent.testing.sim.run import Outcome, run_seed
from detent.testing.sim.shrink import shrink

JOBS = len(os.sched_getaffinity(0))


def _first(campaign: Campaign, bug: str, seeds: range) -> Outcome | None:
    parts = BUGS[bug]
    weeks = (run_seed(campaign, seed, parts=parts) for seed in seeds)
    return next((week for week in weeks if week.broken), None)


def test_every_promise_is_kept_in_weeks_in_which_things_go_wrong(campaign: Campaign) -> None:
    lived = live_through(campaign.folder, range(1, 13), jobs=JOBS, tell=lambda _: None)
    assert [(one.seed, one.broken) for one in lived if one.broken] == []
    assert sum(one.faults for one in lived) > 70
    assert all(one.answers > 1_000 and one.events > 100 for one in lived)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_promise_is_broken_in_five_hundred_weeks(campaign: Campaign) -> None:
    lived = live_through(campaign.folder, range(1, 501), jobs=JOBS, tell=lambda _: None)
    assert [(one.seed, one.broken) for one in lived if one.broken] == []


def test_the_same_seed_gives_the_same_week(campaign: Campaign) -> None:
    one, again = run_seed(campaign, 3), run_seed(campaign, 3)
    assert one.content == again.content
    assert one.trace == again.trace


def test_a_week_without_faults_trains_promotes_and_refuses(campaign: Campaign) -> None:
    week = run_seed(campaign, 2, faults=())
    told = "\n".join(week.trace)
    assert week.broken == ""
    assert "rollout.promoted" in told
    assert "verdict.rejected" in told
    assert "window.watched" in told


@pytest.mark.parametrize("bug", ["anchor not written", "answer before its log"])
def test_a_planted_bug_is_found_at_once(campaign: Campaign, bug: str) -> None:
    week = run_seed(campaign, 1, parts=BUGS[bug])
    assert week.broken != ""
    assert week.trace[-1].endswith(week.broken)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bug", sorted(BUGS))
def test_each_planted_bug_is_found_within_a_hundred_weeks(campaign: Campaign, bug: str) -> None:
    assert _first(campaign, bug, range(1, 101)) is not None


def test_a_broken_week_is_shrunk_to_the_faults_that_break_it() -> None:
    faults = draw(12)
    needed = {faults[3], faults[-1]}
    lived: list[int] = []

    def again(some: Sequence[Fault]) -> Outcome:
        lived.append(len(some))
        broken = f"version {len(lived)} answers unjudged" if needed <= set(some) else ""
        return Outcome(seed=12, faults=tuple(some), content="", events=0, answers=0, broken=broken, trace=())

    assert set(shrink(again(faults), again).faults) == needed
    assert len(lived) < 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_week_that_a_planted_bug_breaks_is_shrunk_to_the_fault_that_shows_it(campaign: Campaign) -> None:
    parts, seed = BUGS["label counted twice"], 7
    needed = Fault(kind="repeated", step=10, steps=2, amount=1.0)
    others = (Fault(kind="drift", step=4, steps=3), Fault(kind=CRASH, step=6, process="a", call=3))

    def again(faults: Sequence[Fault]) -> Outcome:
        return run_seed(campaign, seed, faults=faults, parts=parts)

    found = again((*others, needed))
    least = shrink(found, again)
    assert found.broken
    assert least.faults == (needed,)
    assert again(least.faults).broken == least.broken


def test_faults_follow_from_the_seed_and_every_kind_is_drawn() -> None:
    assert draw(11) == draw(11)
    drawn = [fault for seed in range(200) for fault in draw(seed)]
    assert {fault.kind for fault in drawn} == set(KINDS)
    assert all(0 <= fault.step < STEPS for fault in drawn)


def test_a_process_that_ends_early_is_told(campaign: Campaign, tmp_path) -> None:
    from detent.errors import DetentError

    heard: list[Lived] = []
    with pytest.raises(DetentError, match="ended too early"):
        live_through(tmp_path, [1], jobs=1, tell=heard.append)
    assert heard == []
