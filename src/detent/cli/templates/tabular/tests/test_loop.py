"""The whole loop of this project, replayed: `detent simulate` in a copy of the folder."""

from __future__ import annotations

from pathlib import Path

from detent.testing import replay

PROJECT = Path(__file__).parent.parent


def test_bad_models_are_stopped_and_good_ones_get_through(tmp_path: Path) -> None:
    conclusion = replay(PROJECT, into=tmp_path)
    assert conclusion.complaints == ()
    assert conclusion.failed == 0
    assert all(where != "NOT STOPPED" for _, where, _ in conclusion.story.sabotage)
