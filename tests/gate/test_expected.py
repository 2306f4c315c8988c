"""Slices that must not disappear."""

from __future__ import annotations

from detent.gate.expected import expected_slices
from detent.gate.judge import judge

from .builders import BINDING, NOW, check, evidence


def test_the_slices_of_the_champions_verdict_are_expected_and_those_that_are_declared_stand_in_their_place() -> None:
    lines = [check("worst(roc_auc, by=origin) >= 0.5"), check("gap(roc_auc, by=origin) <= 0.5")]
    champion = judge(lines, evidence(3000), binding=BINDING, now=NOW)
    assert {column: set(levels) for column, levels in expected_slices((), champion).items()} == {
        "origin": {"EWR", "JFK", "LGA"}
    }
    assert expected_slices((("origin", ("EWR",)), ("month", ("1",))), champion) == {
        "origin": ("EWR",), "month": ("1",),
    }  # fmt: skip
    assert expected_slices((), None) == {}


def test_a_slice_that_was_too_small_for_the_champion_is_not_expected() -> None:
    lines = [check("worst(roc_auc, by=origin) >= 0.5")]
    champion = judge(lines, evidence(500, min_slice=400), binding=BINDING, now=NOW)
    assert expected_slices((), champion) == {}
