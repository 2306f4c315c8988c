"""What each form of a gate line means, and which of them make no sense."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lark import Token, Transformer

from detent.project.durations import BYTES, SECONDS
from detent.project.lines import GrammarError, offset_of
from detent.records.check import BETTER, Check

_TIMES = {unit: SECONDS[unit] for unit in ("us", "ms", "s")}
_UNITS = {"latency": _TIMES, "size": BYTES, "memory": BYTES}  # by kind; every other number has no unit but %
_EXAMPLES = {"latency": "20ms", "size": "50MB", "memory": "500MB", "cost": "0.10"}
_ALWAYS_ON = ("baseline", "overlap", "provenance")
_LEAKAGE = "leakage"
_MEASURED = ("latency", "size", "memory", "cost")  # on this machine, not from rows: the estimate decides
_CODE = "CODE"  # type of the token of a function of the project
_CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A number as written: what it is worth depends on the metric that it is for."""

    number: Token
    unit: Token | None

    @property
    def text(self) -> str:
        return f"{self.number}{self.unit or ''}"


@dataclass(frozen=True, slots=True)
class _Goal:
    """`champion - 0.01` or `champion * 1.2`: what is added to the champion's value, or to 1 as its factor."""

    margin: float
    relative: bool


@dataclass(frozen=True, slots=True)
class _Sure:
    """How sure a line must be; None: the estimate decides."""

    confidence: float | None
    offset: int


class Build(Transformer[Token, Check]):
    """Parse tree -> Check."""

    def __init__(self, text: str, line: int, alpha: float) -> None:
        super().__init__()
        self._default = 1.0 - alpha
        self._empty = Check(
            text=" ".join(text.split()), kind="", metric="", op="", threshold=0.0, confidence=None, by=None, line=line
        )

    def quantity(self, parts: list[Any]) -> _Quantity:
        """Read `20ms`."""
        return _Quantity(*parts)

    def confidence(self, parts: list[Any]) -> _Sure:
        """Read `at 95%`."""
        percent, offset = float(parts[0]), offset_of(parts[0])
        if not 50.0 <= percent < 100.0:
            raise GrammarError(f"{percent:g}% is no confidence; give at least 50% and less than 100%", offset)
        return _Sure(percent / 100.0, offset)

    def estimate(self, _parts: list[Any]) -> _Sure:
        """Read `by estimate`."""
        return _Sure(None, 0)

    def champion(self, parts: list[Any]) -> _Goal:
        """Read `champion - 0.01`."""
        sign, size = parts
        if sign is None:
            return _Goal(0.0, relative=False)
        worth = worth_of("versus", "the factor" if sign == "*" else "the margin", size)
        if sign != "*":
            return _Goal(worth if sign == "+" else -worth, relative=False)
        if worth <= 0.0:
            raise GrammarError(f"{size.text} is no factor; give a number above 0, such as 1.02", offset_of(size.number))
        return _Goal(worth - 1.0, relative=True)

    def threshold(self, parts: list[Any]) -> Check:
        """Read `roc_auc >= 0.65`, `latency_p99 <= 20ms`."""
        metric, op, value, sure = parts
        kind = _kind(metric)
        if kind != "threshold" and not op.startswith("<"):
            raise GrammarError(
                f"`{metric} {op}` asks for more of it; write {_limit_example(kind, metric)}", offset_of(op)
            )
        threshold = worth_of(kind, f"`{metric}`", value)
        if kind == _LEAKAGE:
            _check_leakage(op, value, threshold, sure)
        check = self._check(kind, metric, op, threshold, sure)
        stays_estimate = kind == _LEAKAGE or (kind in _MEASURED and sure is None)
        return replace(check, confidence=None) if stays_estimate else check

    def versus(self, parts: list[Any]) -> Check:
        """Read `roc_auc >= champion - 0.01`."""
        metric, op, goal, sure = parts
        kind = _kind(metric)
        if kind in _MEASURED:
            return self._beside(kind, parts)
        check_is_metric(metric)
        check = self._check("versus", metric, op, goal.margin, sure)
        return replace(check, relative=goal.relative, against=_CHAMPION)

    def better(self, parts: list[Any]) -> Check:
        """Read `roc_auc better by 2%`."""
        return self._by_share(parts, slack=False)

    def non_inferior(self, parts: list[Any]) -> Check:
        """Read `roc_auc non_inferior by 1%`."""
        return self._by_share(parts, slack=True)

    def gap(self, parts: list[Any]) -> Check:
        """Read `gap(roc_auc, by=origin) <= 0.08`."""
        metric, column, op, value, sure = parts
        check_is_metric(metric)
        if not op.startswith("<"):
            raise GrammarError(f"`gap {op}` lets every uneven model pass; write `gap(...) <= 0.08`", offset_of(op))
        return replace(self._check("gap", metric, op, worth_of("gap", "a gap", value), sure), by=str(column))

    def worst(self, parts: list[Any]) -> Check:
        """Read `worst(roc_auc, by=origin) >= 0.6`."""
        metric, column, op, value, sure = parts
        check_is_metric(metric)
        return replace(self._check("worst", metric, op, worth_of("worst", f"`{metric}`", value), sure), by=str(column))

    def each(self, parts: list[Any]) -> Check:
        """Read `each(roc_auc, by=origin) >= champion - 0.03`."""
        metric, column, op, goal, sure = parts
        check_is_metric(metric)
        if isinstance(goal, _Goal):
            check = self._check("each", metric, op, goal.margin, sure)
            return replace(check, by=str(column), relative=goal.relative, against=_CHAMPION)
        return replace(self._check("each", metric, op, worth_of("each", f"`{metric}`", goal), sure), by=str(column))

    def fairness(self, parts: list[Any]) -> Check:
        """Read `parity(by=sex) <= 0.1`."""
        measure, column, cut, op, value, sure = parts
        wanted = ">" if measure == "parity_ratio" else "<"
        if not op.startswith(wanted):
            example = "parity_ratio(by=...) >= 0.8" if wanted == ">" else f"{measure}(by=...) <= 0.1"
            raise GrammarError(f"`{measure} {op}` lets every unfair model pass; write `{example}`", offset_of(op))
        check = self._check("fairness", measure, op, worth_of("fairness", f"`{measure}`", value), sure)
        arguments = () if cut is None else (("cut", f"{worth_of('fairness', 'a cut', cut):g}"),)
        return replace(check, by=str(column), arguments=arguments)

    def _beside(self, kind: str, parts: list[Any]) -> Check:
        """Read `latency_p99 <= champion * 1.2`; without `at` it refuses only what surely breaks it."""
        metric, op, goal, sure = parts
        example = f"`{metric} <= champion * 1.2`"
        if not op.startswith("<"):
            raise GrammarError(f"`{metric} {op}` asks for more of it; write {example}", offset_of(op))
        if sure is not None and sure.confidence is not None and kind != "latency":
            raise GrammarError(f"`{metric}` has no confidence; remove `at ...%`", sure.offset)
        if not goal.relative and goal.margin:
            raise GrammarError(f"`{metric}` takes a share of the champion's; write {example}", offset_of(op))
        check = self._check(kind, metric, op, goal.margin, sure)
        return replace(check, relative=True, against=_CHAMPION, slack=sure is None)

    def _by_share(self, parts: list[Any], *, slack: bool) -> Check:
        metric, share, sure = parts
        check_is_metric(metric)
        worth = worth_of("versus", "the share", share)
        if not 0.0 <= worth < 1.0:
            raise GrammarError(
                f"{share.text} is no share of the champion's value; give one from 0% to 100%, such as 2%",
                offset_of(share.number),
            )
        check = self._check("versus", metric, BETTER, worth, sure)
        return replace(check, relative=True, against=_CHAMPION, slack=slack)

    def _check(self, kind: str, metric: str, op: str, threshold: float, sure: _Sure | None) -> Check:
        confidence = self._default if sure is None else sure.confidence
        code = str(metric) if getattr(metric, "type", "") == _CODE else None
        return replace(
            self._empty,
            kind=kind,
            metric=str(metric) if code is None else code.partition(":")[2],
            op=str(op),
            threshold=threshold,
            confidence=confidence,
            code=code,
        )


def _kind(metric: Token) -> str:
    """Return the kind of check that a line `metric <= number` asks for."""
    if metric in _ALWAYS_ON:
        raise GrammarError(f"`{metric}` is always on and has no limit to set; remove the line", offset_of(metric))
    if metric.type == _CODE:
        return "threshold"
    if metric in ("size", "memory", "cost", _LEAKAGE):
        return str(metric)
    return "latency" if metric.startswith("latency") else "threshold"


def check_is_metric(metric: Token) -> None:
    """Refuse to compare what is not a metric of quality, such as a size, with the champion or between slices."""
    kind = _kind(metric)
    if kind != "threshold":
        raise GrammarError(
            f"`{metric}` takes a fixed limit only; write {_limit_example(kind, metric)}", offset_of(metric)
        )


def _check_leakage(op: Token, value: _Quantity, limit: float, sure: _Sure | None) -> None:
    example = _limit_example(_LEAKAGE, _LEAKAGE)
    if op != "<=":
        raise GrammarError(f"the limit of leakage is written with `<=`; write {example}", offset_of(op))
    if not 0.5 <= limit <= 1.0:
        raise GrammarError(
            f"{value.text} is no limit for leakage; give a number between 0.5 and 1, such as {example}",
            offset_of(value.number),
        )
    if sure is not None and sure.confidence is not None:
        raise GrammarError(f"leakage has no confidence; write {example}", sure.offset)


def worth_of(kind: str, subject: str, value: _Quantity) -> float:
    """Return a quantity in the unit of its kind: seconds, bytes, or as it is."""
    number, unit = float(value.number), value.unit
    units = _UNITS.get(kind, {"%": 0.01})
    if unit is None:
        if kind == "latency":
            raise GrammarError(
                f"{value.number} of what? {subject} needs a unit ({', '.join(units)}); write {_EXAMPLES[kind]}",
                offset_of(value.number),
            )
        return number
    if unit not in units:
        takes = f"one of {', '.join(units)}, such as {_EXAMPLES[kind]}" if kind in _UNITS else "no unit but %"
        raise GrammarError(f"the unit `{unit}` does not fit: {subject} takes {takes}", offset_of(unit))
    return number * units[str(unit)]


def _limit_example(kind: str, metric: str) -> str:
    return f"`{metric} <= {_EXAMPLES.get(kind, '0.999')}`"
