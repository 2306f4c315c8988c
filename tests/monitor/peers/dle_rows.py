"""Seeded rows of a value, what a model said about it, and how much it errs on average; only NumPy is needed."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, pi, sqrt

import numpy as np

SHIFTS = ("same", "near", "size", "kind", "both", "turned")


@dataclass(frozen=True)
class Rows:
    inputs: dict[str, np.ndarray]  # near, size, kind (0..4), other
    said: np.ndarray
    truth: np.ndarray
    mae: float  # expected, given the inputs
    rmse: float


def rows(seed: int, shift: str, size: int) -> Rows:
    """Draw rows; errors depend on `near` (which moves the value, too), `size` and `kind`; `turned`: all are larger."""
    g = np.random.default_rng([7, seed])
    near, big, kind, other = g.normal(size=size), g.gamma(2.0, 1.0, size), g.integers(0, 5, size), g.normal(size=size)
    if shift in ("near", "both"):
        near = near + (1.0 if shift == "near" else 0.7)
    if shift in ("size", "both"):
        big = big * (1.5 if shift == "size" else 1.3)
    if shift == "kind":
        kind = np.where(g.random(size) < 0.5, 4, kind)
    said = 3.0 * near + other + kind
    bias = 0.5 * np.sin(2.0 * near)
    spread = 0.5 + 0.4 * np.exp(0.4 * near) + 0.3 * big + 0.8 * (kind == 4)
    spread = spread * (1.5 if shift == "turned" else 1.0)
    ratio = bias / spread
    below = np.array([0.5 * (1.0 + erf(-one / sqrt(2.0))) for one in ratio])
    mae = spread * sqrt(2.0 / pi) * np.exp(-(ratio**2) / 2.0) + bias * (1.0 - 2.0 * below)  # of a folded normal
    return Rows(
        inputs={"near": near, "size": big, "kind": kind.astype(float), "other": other}, said=said,
        truth=said + bias + spread * g.normal(size=size), mae=float(mae.mean()),
        rmse=float(np.sqrt((bias**2 + spread**2).mean())),
    )  # fmt: skip
