"""Seeded rows of five classes: probabilities of an overconfident model, and the truth; only NumPy is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES = ("a", "b", "c", "d", "e")
SHIFTS = ("same", "harder", "shares", "turned")
_COMMON = np.array([1.0, 0.6, 0.2, -0.3, -1.0])  # how frequent each class is


@dataclass(frozen=True)
class Rows:
    score: np.ndarray  # (rows, 5) what the model says
    chance: np.ndarray  # (rows, 5) how probable each class really is
    truth: np.ndarray  # (rows,) places

    @property
    def accuracy(self) -> float:
        """The expected share of right answers, given the rows."""
        return float(self.chance[np.arange(len(self.score)), self.score.argmax(axis=1)].mean())


def rows(seed: int, shift: str, size: int) -> Rows:
    """Draw rows; `harder`: classes lie less far apart, `shares`: rare ones are frequent, `turned`: truth moves on."""
    g = np.random.default_rng([11, seed])
    common = _COMMON[::-1] if shift == "shares" else _COMMON
    z = common + (0.9 if shift == "harder" else 2.0) * g.normal(size=(size, 5))
    chance, score = _softmax(z), _softmax(1.7 * z)
    if shift == "turned":
        chance = np.roll(chance, 1, axis=1)
    truth = (g.random((size, 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(max=4)
    return Rows(score=score, chance=chance, truth=truth)


def _softmax(z: np.ndarray) -> np.ndarray:
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
