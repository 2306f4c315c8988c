"""What a reference keeps of a model of several classes, so that its answers can be judged without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detent.statistics.axes import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The share of rows of one class by its probability: rising, linear between its points, level outside of them."""

    x: tuple[float, ...]  # probabilities, ascending
    y: tuple[float, ...]  # share of rows of the class at each, 0..1
    left_out: tuple[tuple[float, ...], ...]  # `y` fitted without each part of the rows

    def fits(self) -> Floats:
        """Return `y` and under it those without each part, (1 + parts, points)."""
        return np.array([self.y, *self.left_out], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A metric of the rows that the curves were fitted on, as the curves promise it."""

    metric: str
    value: float
    left_out: tuple[float, ...]  # the same by the curves that were fitted without each part of the rows
    sd: float  # of the chance in which rows came


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How probable each class really is where a model gives it some probability."""

    curves: tuple[Curve, ...]  # of each class, in the model's order
    then: tuple[Expected, ...]

    def expected(self, metric: str) -> Expected | None:
        """Return what was expected of the rows that the curves were fitted on; None where that has no value."""
        return next((one for one in self.then if one.metric == metric), None)
