"""The whole loop of this project: replayed as `detent simulate` does, and under faults as `--seeds` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.testing import replay

PROJECT = Path(__file__).parent.parent


def test_bad_models_are_stopped_and_good_ones_get_through(tmp_path: Path) -> None:
    conclusion = replay(PROJECT, into=tmp_path)
    assert conclusion.complaints == ()
    assert conclusion.failed == 0
    assert all(where != "NOT STOPPED" for _, where, _ in conclusion.story.sabotage)


@pytest.mark.parametrize("seed", range(1, 6))
def test_every_promise_is_kept_in_a_week_in_which_things_go_wrong(simulated_loop, seed: int) -> None:
    week = simulated_loop(PROJECT, seed)
    assert week.broken == "", "\n".join(week.trace[-30:])
