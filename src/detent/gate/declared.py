"""What is collected about a candidate only when a line of the gate section asks for it, for it costs time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stressed:
    """The candidate's scores of m evaluation rows after one input was spoiled or moved."""

    rows: NDArray[np.intp]  # (m,) which evaluation rows
    scores: Mapping[str, NDArray[np.float64]]  # "missing:humid" -> (m,) scores; NaN or no number where it has none
    refused: Mapping[str, str] = field(default_factory=dict)  # "missing:humid" -> why the model gave no scores at all
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "missing" -> inputs that can't be so at all
    moved: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # "monotone:x" -> (m, k) scores, x rising


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideBySide:
    """What candidate and champion take on this machine. None: not measured, or there is no champion."""

    turns: NDArray[np.float64] | None = None  # (runs, 2) seconds of a row by candidate, champion: in turns, by lot
    memory: tuple[int, ...] = ()  # bytes resident at the most in fresh processes that load the model and answer
    champion_memory: tuple[int, ...] = ()
    champion_bytes: int | None = None  # size of the champion's bundle
    second: float | None = None  # price of a second of one core
    request: float = 0.0  # price of a request
    currency: str = ""
    untold: str = ""  # why the memory could not be measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What warm processes, each a fresh one, kept of every further call, in bytes: the median of some parts of them."""

    calls: int = 0  # of each process
    ours: tuple[float, ...] = ()
    theirs: tuple[float, ...] = ()  # the champion's; measured only when ours keep something
    untold: str = ""  # why it could not be measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """How many evaluation rows touch a training row, and how many training rows touch another one."""

    rows: int  # evaluation rows compared
    touching: int
    train_rows: int
    train_touching: int | None  # None: nothing to hold it against
    example: str = ""  # the key of one such row, or the entity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Permuted:
    """A model that was trained on permuted labels, on rows that it did not see: whatever it knows is a leak."""

    rows: NDArray[np.intp]  # (m,) which evaluation rows
    y: NDArray[np.float64]  # (m,) permuted labels
    score: NDArray[np.float64]  # (m,)
    inputs: int  # how many columns it could look at
    untold: str = ""  # why there is no such model
