"""Faults that simulated weeks found in the loop; each of these weeks broke a promise once."""

from __future__ import annotations

import pytest

from detent.testing.sim.campaign import Campaign
from detent.testing.sim.faults import DEAF, LOST, SECOND, Fault
from detent.testing.sim.run import run_seed


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((Fault(kind=SECOND, step=2, steps=50),), id="two controllers judge each window once"),
        pytest.param(
            tuple(Fault(kind=DEAF, step=step, steps=2) for step in range(6, 54, 7)),
            id="a route that could not be published is published later",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (Fault(kind=LOST, step=14, steps=20, amount=1.0),),
            id="windows without a row are looked at too",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_promises_hold_in_a_week_that_broke_one(campaign: Campaign, faults: tuple[Fault, ...]) -> None:
    week = run_seed(campaign, 4, faults=faults)
    assert week.broken == "", "\n".join(week.trace[-20:])
