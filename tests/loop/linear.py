"""A model whose every answer can be worked out by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detent.errors import DataError
from detent.records.signature import INTEGER, NUMBER, STRING, Field, Signature

SIGNATURE = Signature(
    inputs=(
        Field(name="humid", kind=NUMBER, nullable=True),
        Field(name="miles", kind=INTEGER, nullable=False),
        Field(name="sex", kind=STRING, nullable=True),
    ),
    output="probability",
)


@dataclass(frozen=True)
class Linear:
    """The logistic of 2 humid + miles / 100, plus `bias` for F; a missing humidity counts as 0."""

    bias: float = 0.0
    seconds: float = 0.0  # spent on every answer
    breaks_on: str = ""  # input that it can't do without
    calls: list[int] = field(default_factory=list)
    signature: Signature = SIGNATURE

    @classmethod
    def open(cls, folder: Path, signature: Signature) -> Linear:
        """Make one; there is nothing to load."""
        return cls(signature=signature)

    def predict(self, columns: Mapping[str, Sequence[object]]) -> NDArray[np.float64]:
        """Return one probability per row."""
        self.calls.append(len(columns["miles"]))
        if self.breaks_on and any(value is None for value in columns[self.breaks_on]):
            raise DataError(what=f"`{self.breaks_on}` is null", why="it may not be", fix="send it")
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        humid = np.array([0.0 if value is None else value for value in columns["humid"]], dtype=np.float64)
        miles = np.array(columns["miles"], dtype=np.float64)
        female = np.array([value == "F" for value in columns["sex"]], dtype=np.float64)
        return 1.0 / (1.0 + np.exp(-np.clip(2.0 * humid + miles / 100.0 + self.bias * female, -500, 500)))
