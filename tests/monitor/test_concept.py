from __future__ import annotations

import json
import random

import numpy as np
import pytest
from river import drift

from detent.monitor.concept.protocol import Concept, State, Terms
from detent.plugins import load, names

TERMS = Terms(p0=0.2, apart=1e5)
CHANGE = 4_000


def stream(seed: int, after: float = 0.4) -> list[float]:
    before = np.random.default_rng(seed).binomial(1, 0.2, CHANGE)
    return np.r_[before, np.random.default_rng(seed + 1).binomial(1, after, 3_000)].astype(float).tolist()


def follower(name: str) -> Concept:
    return load("concept", name)()


@pytest.fixture(params=names("concept"))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_rise_is_found_soon_and_a_fall_is_none(name: str) -> None:
    _, alarm = follower(name).update({}, stream(3), TERMS)
    assert alarm is not None
    assert CHANGE < alarm.position < CHANGE + 1_000
    assert alarm.value >= alarm.threshold
    _, calm = follower(name).update({}, stream(5, after=0.05), TERMS)
    assert calm is None


def test_losses_may_come_in_any_portions(name: str) -> None:
    values, follow = stream(7), follower(name)
    _, whole = follow.update({}, values, TERMS)
    assert whole is not None
    state: State = {}
    taken, draw = 0, random.Random(1)
    while taken < len(values):
        size = draw.randint(1, 700)
        state, alarm = follow.update(json.loads(json.dumps(state)), values[taken : taken + size], TERMS)
        if alarm is not None:
            assert taken + alarm.position == whole.position
            return
        taken += size
    pytest.fail("no alarm in portions")


def test_what_goes_on_is_alarmed_again(name: str) -> None:
    follow = follower(name)
    state, first = follow.update({}, stream(9), TERMS)
    assert first is not None
    steeper = np.random.default_rng(1).binomial(1, 0.9, 4_000).astype(float).tolist()
    assert follow.update(state, steeper, TERMS)[1] is not None


def test_nothing_is_no_alarm_and_the_state_is_json(name: str) -> None:
    state, alarm = follower(name).update({}, [], TERMS)
    assert alarm is None
    json.dumps(dict(state))


@pytest.mark.parametrize(
    ("name", "theirs"), [("page_hinkley", drift.PageHinkley(mode="up")), ("adwin", drift.ADWIN(delta=0.002))]
)
def test_it_alarms_at_the_row_at_which_river_does(name: str, theirs: drift.PageHinkley | drift.ADWIN) -> None:
    values = stream(11)
    _, alarm = follower(name).update({}, values, TERMS)
    for number, value in enumerate(values):
        theirs.update(value)
        if theirs.drift_detected:
            assert alarm is not None
            assert alarm.position == number
            return
    pytest.fail("river finds nothing")


def test_a_new_limit_makes_the_evidence_of_before_worthless() -> None:
    follow = follower("edetector")
    state, _ = follow.update({}, [1.0] * 5, TERMS)
    fresh, _ = follow.update({}, [0.3], Terms(p0=0.25, apart=1e5))
    assert follow.update(state, [0.3], Terms(p0=0.25, apart=1e5))[0] == fresh


@pytest.mark.parametrize("p0", [0.0, 1.0])
def test_a_limit_of_nothing_or_all_is_defined(p0: float) -> None:
    state, _ = follower("edetector").update({}, [0.0, 1.0, 0.5], Terms(p0=p0, apart=1e5))
    assert np.isfinite(state["evidence"]).all()
