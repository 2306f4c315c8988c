"""Alpha is shared by all candidates on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from detent.gate.spend import spend, worn
from detent.statistics.delong import delong
from detent.statistics.multiple import above_p


def test_the_shares_of_all_candidates_add_up_to_alpha() -> None:
    shares = [spend(0.05, k) for k in range(1, 10_000)]
    assert shares[:3] == pytest.approx([0.025, 0.05 / 6, 0.05 / 12])
    assert sum(shares) == pytest.approx(0.05, rel=1e-3)
    assert sum(shares) < 0.05


def test_candidates_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        spend(0.05, 0)
    assert [worn(20), worn(21)] == [False, True]


def test_twenty_tries_on_one_holdout_pass_wrongly_as_seldom_as_one_may() -> None:
    """Twenty models that are no better than the champion, one after the other, until one passes `better`."""
    wrong, naive, runs = 0, 0, 120
    for seed in range(runs):
        draw = np.random.default_rng(seed)
        y = (draw.random(400) < 0.4).astype(float)
        shared = draw.normal(size=400)
        champion = y + shared + 0.5 * draw.normal(size=400)
        tried = [y + shared + 0.5 * draw.normal(size=400) for _ in range(20)]
        found = [delong(y, score, champion, confidence=0.9) for score in tried]
        p = [above_p(gain.value, gain.sd, 0.0) for gain in found]
        wrong += any(chance <= spend(0.05, k) for k, chance in enumerate(p, start=1))
        naive += min(p) <= 0.05
    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert naive / runs > 0.25
