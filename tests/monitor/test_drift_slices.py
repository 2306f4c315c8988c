from __future__ import annotations

import numpy as np
import pytest

from .world import look, reference_of

SIGNATURE = [("price", "number"), ("origin", "string")]


def draw(seed, rows, **shifts):
    rng = np.random.default_rng(seed)
    origin = rng.choice(["EWR", "JFK", "LGA"], rows, p=[0.4, 0.4, 0.2])
    price = rng.normal(size=rows) + np.array([shifts.get(level, 0.0) for level in origin])
    return {"price": price, "origin": origin.tolist()}, rng.random(rows)


@pytest.fixture(scope="module")
def reference():
    return reference_of(*draw(0, 10_000), SIGNATURE, slices=["origin"])


def test_quiet_slices_give_no_findings(reference):
    assert [look(reference, draw(seed, 1500)) for seed in range(1, 11)] == [[]] * 10


def test_two_slices_that_move_in_opposite_ways_are_found_although_their_sum_is_still(reference):
    found = look(reference, draw(1, 1500, EWR=0.45, JFK=-0.45))
    by_slice = {finding.slice: finding for finding in found}
    assert {"origin=EWR", "origin=JFK"} <= set(by_slice)
    assert "origin=LGA" not in by_slice
    assert by_slice["origin=EWR"].message.startswith("`price` where origin is EWR has moved away from training: ")
    assert by_slice["origin=EWR"].severity == "WARNING"


def test_a_change_is_told_where_it_is_concentrated(reference):
    found = look(reference, draw(2, 1500, LGA=1.0))
    assert [(finding.column, finding.slice) for finding in found if finding.slice] == [("price", "origin=LGA")]


def test_a_small_slice_is_left_alone(reference):
    assert [finding for finding in look(reference, draw(3, 600, LGA=3.0)) if finding.slice] == []


def test_slices_have_half_of_the_inputs_budget():
    alarms = 0
    for model in range(4):
        quiet = reference_of(*draw(model, 5000), SIGNATURE, slices=["origin"])
        alarms += sum(bool(look(quiet, draw(100 * model + day + 10, 1200))) for day in range(25))
    assert alarms <= 2
