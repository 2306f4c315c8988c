"""Functions of the project as metrics and checks: what they are given, and what they may return.

A function gets what its parameters name. One that raises or returns nonsense is a fault of that function, told with the
line where it happened; it never counts as a pass.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.errors import ProjectError, did_you_mean
from detent.gate.evidence import Evidence
from detent.gate.requirements import place
from detent.records.check import BETTER, Check
from detent.statistics.intervals import Interval
from detent.statistics.metric import ANY, Floats, Metric, Resampler, UndefinedMetricError

METRIC_GIVEN = ("y", "score", "rows", "confidence", "seed")
CHECK_GIVEN = (*METRIC_GIVEN, "champion", "inputs", "task")
_ROW = "row"  # what such a metric must know of each row: which one it is


class OwnCodeError(Exception):
    """A function of the project failed, or returned what it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A function of the project that a check names."""

    function: Callable[..., Any]
    code: str  # "metrics.py:profit"
    wanted: tuple[str, ...]  # names of its parameters

    @property
    def name(self) -> str:
        """The function's name in the file."""
        return self.code.partition(":")[2]

    def call(self, given: Mapping[str, object]) -> Any:
        """Call it with what it asks for.

        Raises:
            OwnCodeError: it raised; with the line of the project's file.
        """
        try:
            return self.function(**{name: given[name] for name in self.wanted})
        except (Exception, SystemExit) as error:
            told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise OwnCodeError(f"`{self.name}` failed at {self._line_of(error)}: {told}") from error

    def at(self) -> str:
        """Return where it is defined: `metrics.py:12`."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        file = self.code.partition(":")[0]
        return file if code is None else f"{file}:{code.co_firstlineno}"

    def _line_of(self, error: BaseException) -> str:
        file = self.code.partition(":")[0]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
        return f"{file}:{lines[-1]}" if lines else self.at()


def own(check: Check, evidence: Evidence, known: Sequence[str]) -> Own:
    """Return the function that a check names, after a look at its parameters; `known` is what it can be given.

    Raises:
        ProjectError: it was not loaded, or asks for something that it can't be given.
    """
    code = str(check.code)
    function = evidence.own.get(code)
    if function is None:
        raise ProjectError(
            what=f"`{code}` was not loaded",
            why=f"the check `{check.text}` names it, and whoever collected the evidence did not bring it",
            fix="judge the candidate with `detent run`",
            where=place(check),
        )
    wanted = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in known and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            wanted.append(name)
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            raise ProjectError(
                what=f"the parameter `{name}` of `{code}` can't be filled",
                why=f"the check `{check.text}` calls it with what its parameters name: {', '.join(known)}",
                fix=did_you_mean(name, tuple(known)),
                where=place(check),
            )
    return Own(function=function, code=code, wanted=tuple(wanted))


def own_metric(check: Check, evidence: Evidence) -> Metric:
    """Return a project's metric as one of ours; its bounds come from calling it on resampled rows.

    Raises:
        ProjectError: the function asks for something that it can't be given, or nobody can tell which side is better.
    """
    mine = own(check, evidence, METRIC_GIVEN)

    def beside(values: NDArray) -> Callable[[Floats, Floats], Resampler]:
        rows = evidence.columns[values]
        return lambda y, score: _resampler(mine, check, evidence.seed, _Rows(y=y, score=score, rows=rows))

    return Metric(
        name=mine.code, task=ANY, higher_is_better=_higher_is_better(check, mine), prepare=_without_rows, beside=_ROW,
        prepare_beside=beside,
    )  # fmt: skip


def own_interval(check: Check, evidence: Evidence, rows: NDArray[np.intp]) -> Interval | None:
    """Return the interval that a metric brings itself, by `(value, low, high)`; None when it returns a number.

    Raises:
        OwnCodeError: it failed or returned something else.
        UndefinedMetricError: it returned NaN or infinity.
    """
    mine = own(check, evidence, METRIC_GIVEN)
    part = _Rows(y=evidence.y[rows], score=evidence.score[rows], rows=evidence.columns[rows])
    found = _numbers(mine, mine.call(_given(check, evidence.seed, part)))
    if len(found) == 1:
        return None
    value, low, high = found
    return Interval(value=value, low=low, high=high, sd=0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    y: Floats
    score: Floats
    rows: pl.DataFrame


def _given(check: Check, seed: int, part: _Rows) -> dict[str, object]:
    """Return copies: a function that sorts what it gets must not sort ours."""
    return {
        "y": part.y.copy(), "score": part.score.copy(), "rows": part.rows, "seed": seed,
        "confidence": 0.95 if check.confidence is None else check.confidence,
    }  # fmt: skip


def _resampler(mine: Own, check: Check, seed: int, part: _Rows) -> Resampler:
    every = np.arange(len(part.y))

    def value(counts: Floats) -> float:
        if np.all(counts == 1.0):  # the rows as they are: a fault is told
            return _numbers(mine, mine.call(_given(check, seed, part)))[0]
        drawn = np.repeat(every, counts.astype(np.int64))
        again = _Rows(y=part.y[drawn], score=part.score[drawn], rows=part.rows[drawn])
        try:
            return _numbers(mine, mine.call(_given(check, seed, again)))[0]
        except (OwnCodeError, UndefinedMetricError):
            return float("nan")  # some draws miss what it divides by; more than a tenth of them leave no interval

    return lambda counts: np.array([value(row) for row in counts])


def _numbers(mine: Own, found: Any) -> tuple[float, ...]:
    """Return (value,) or (value, low, high) of what a metric returned."""
    many = isinstance(found, tuple | list)
    parts = tuple(found) if many else (found,)
    if len(parts) not in (1, 3) or not all(_is_number(part) for part in parts):
        told = f"{type(found).__name__} of {len(parts)}" if many else type(found).__name__
        shape = getattr(found, "shape", None)
        raise OwnCodeError(
            f"`{mine.name}` ({mine.at()}) returned {told}{f' of shape {shape}' if shape else ''}; "
            "a metric returns a number, or (value, low, high)"
        )
    numbers = tuple(float(part) for part in parts)
    if not np.all(np.isfinite(numbers)):
        raise UndefinedMetricError(
            what=f"`{mine.name}` ({mine.at()}) returned {numbers[0]:g}",
            why="it has no value on these rows",
            fix="let it return a number for every set of rows that it may be asked about",
        )
    if len(numbers) == 3 and not numbers[1] <= numbers[0] <= numbers[2]:
        value, low, high = numbers
        raise OwnCodeError(
            f"`{mine.name}` ({mine.at()}) returned the interval {low:g} to {high:g} around {value:g}; "
            "(value, low, high) is asked, and low <= value <= high"
        )
    return numbers


def _is_number(part: object) -> bool:
    if isinstance(part, np.ndarray):
        return part.shape == () and part.dtype.kind in "fiub"
    return isinstance(part, int | float | np.floating | np.integer | np.bool_)


def _without_rows(_y: Floats, _score: Floats) -> Resampler:
    raise ValueError("a metric of the project must be told which rows it is about")


def _higher_is_better(check: Check, mine: Own) -> bool:
    declared = getattr(mine.function, "higher_is_better", None)
    if isinstance(declared, bool):
        return declared
    if check.op != BETTER and check.kind not in ("robustness", "permuted"):
        return check.op.startswith(">")
    raise ProjectError(
        what=f"nobody knows which side of `{mine.name}` is better",
        why=f"the check `{check.text}` does not say it, and neither does the function",
        fix=f"write `{mine.name}.higher_is_better = True`, or False, below the function ({mine.at()})",
        where=place(check),
    )
