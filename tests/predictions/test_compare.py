from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detent.predictions.compare import compare
from detent.predictions.frames import to_frame
from detent.predictions.usable import usable

from .builders import payload, turn
from .test_seal_and_read import SIGNATURE


def test_equal_answers_do_not_differ() -> None:
    found = compare(["a", "b"], np.array([0.1, 0.9]), np.array([0.1, 0.9]), tolerance=0.0, probability=True)
    assert (found.rows, found.changed, found.share, found.mean, found.flips) == (2, 0, 0.0, 0.0, (0, 0))
    assert found.quantiles[-1] == (1.0, 0.0)
    assert found.largest == ()


def test_changes_quantiles_flips_and_the_rows_farthest_apart_are_told() -> None:
    before = np.array([0.1, 0.4, 0.6, 0.8, np.nan, 0.5])
    after = np.array([0.1, 0.7, 0.5, 0.3, 0.3, np.nan])
    found = compare(list("abcdef"), before, after, tolerance=1e-6, probability=True, largest=2)
    assert (found.rows, found.changed, found.flips) == (4, 3, (1, 1))
    assert found.mean == pytest.approx(-0.075)
    assert dict(found.quantiles)[1.0] == pytest.approx(0.5)
    assert [pair.id for pair in found.largest] == ["d", "b"]
    assert found.largest[0].after == 0.3


@pytest.mark.parametrize(("tolerance", "changed"), [(1e-3, 1), (1e-2, 0)])
def test_large_values_may_differ_by_a_share_of_themselves(tolerance: float, changed: int) -> None:
    found = compare(["a"], np.array([1000.0]), np.array([1005.0]), tolerance=tolerance, probability=False)
    assert found.changed == changed
    assert found.flips is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30))
def test_quantiles_are_changes_that_really_happened(pairs: list[tuple[float, float]]) -> None:
    before, after = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    found = compare([str(n) for n in range(len(pairs))], before, after, tolerance=0.0, probability=True)
    distances = {abs(b - a) for a, b in pairs} or {0.0}
    assert all(value in distances for _, value in found.quantiles)
    assert found.quantiles[-1][1] == max(distances)
    assert found.changed == sum(a != b for a, b in pairs)


def test_rows_without_an_input_or_with_one_that_was_not_kept_are_left_out_by_reason() -> None:
    whole = {"temp": None, "hour": 1, "origin": "x", "wet": True}
    frame = to_frame(
        [
            turn(1),
            payload(2, inputs=whole),
            payload(3, inputs={**whole, "origin": {"hashed": "ab"}}),
            payload(4, inputs={**whole, "origin": {"cut": "x", "characters": 9}}),
            payload(5, inputs={"temp": 1.0}),
            payload(6, inputs={"temp": 1.0}),
        ]
    )
    found = usable(frame, SIGNATURE)
    assert [int(id_, 16) for id_ in found.rows["id"]] == [1, 2]
    assert found.left_out == (("cut", "origin", 1), ("hashed", "origin", 1), ("missing", "hour", 2))
