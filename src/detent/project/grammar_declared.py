"""What the lines mean that ask for evidence of their own: stress, moved inputs, shared rows, permuted labels, code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lark import Token

from detent.errors import did_you_mean
from detent.project import grammar_forms
from detent.project.grammar_forms import check_is_metric, worth_of
from detent.project.lines import GrammarError, offset_of
from detent.records.check import Check

STRESSES = ("missing", "shifted", "scaled", "shuffled", "stale")
WAYS = ("up", "down")
TOUCHES = ("near", "known_later")  # how evaluation rows can touch training rows; besides `by=column`


class Build(grammar_forms.Build):
    """Parse tree -> Check, for every form of a line."""

    def own_metric(self, parts: list[Any]) -> Token:
        """Read `metric(metrics.py:profit)`: it stands wherever the name of a metric does."""
        return parts[0]

    def own_check(self, parts: list[Any]) -> Check:
        """Read `check(checks.py:fair_enough)`."""
        code, sure = parts
        return self._check("custom", code, "", 0.0, sure)

    def values(self, parts: list[Any]) -> tuple[str, ...]:
        """Read `[F, M]`."""
        return tuple(part.strip().strip("\"'") for part in parts)

    def robustness(self, parts: list[Any]) -> Check:
        """Read `robustness(roc_auc, missing=humid) <= 0.05`."""
        metric, stress, column, op, value, sure = parts
        check_is_metric(metric)
        _require(stress, STRESSES, "stress")
        check = self._at_most("robustness", metric, op, value, sure)
        return replace(check, arguments=((str(stress), str(column)),))

    def monotone(self, parts: list[Any]) -> Check:
        """Read `monotone(distance, up) <= 1%`."""
        column, way, op, value, sure = parts
        _require(way, WAYS, "way")
        check = self._share("monotone", "monotone", op, value, sure)
        return replace(check, arguments=(("column", str(column)), ("way", str(way))))

    def invariant(self, parts: list[Any]) -> Check:
        """Read `invariant(sex, values=[F, M], within=0.01) <= 1%`."""
        column, values, within, op, value, sure = parts
        check = self._share("invariant", "invariant", op, value, sure)
        arguments = [("column", str(column)), *(("value", level) for level in values or ())]
        if within is not None:
            arguments.append(("within", f"{worth_of('invariant', 'the distance', within):g}"))
        return replace(check, arguments=tuple(arguments))

    def overlap(self, parts: list[Any]) -> Check:
        """Read `overlap(near) <= 1%`."""
        touch, op, value, sure = parts
        _require(touch, TOUCHES, "overlap")
        return self._fact(str(touch), op, value, sure)

    def overlap_by(self, parts: list[Any]) -> Check:
        """Read `overlap(by=customer) <= 20%`."""
        column, op, value, sure = parts
        return replace(self._fact("entities", op, value, sure), by=str(column))

    def permuted(self, parts: list[Any]) -> Check:
        """Read `permuted(roc_auc) <= 0.55`."""
        metric, op, value, sure = parts
        check_is_metric(metric)
        return self._check("permuted", metric, op, worth_of("permuted", f"`{metric}`", value), sure)

    def _fact(self, touch: str, op: Token, value: Any, sure: Any) -> Check:
        """A share of the rows themselves: there is nothing to be unsure of."""
        if sure is not None and sure.confidence is not None:
            raise GrammarError("a count of rows has no confidence; remove `at ...%`", sure.offset)
        return replace(self._share("touch", touch, op, value, None), confidence=None)

    def _share(self, kind: str, metric: str, op: Token, value: Any, sure: Any) -> Check:
        check = self._at_most(kind, metric, op, value, sure)
        if not 0.0 <= check.threshold < 1.0:
            raise GrammarError(
                f"{value.text} is no share of the rows; give one from 0% to 100%, such as 1%", offset_of(value.number)
            )
        return check

    def _at_most(self, kind: str, metric: str, op: Token, value: Any, sure: Any) -> Check:
        if not op.startswith("<"):
            raise GrammarError(f"`{kind} {op}` asks for more of it; write `... <= {value.text}`", offset_of(op))
        return self._check(kind, metric, op, worth_of(kind, "the limit", value), sure)


def _require(word: Token, known: tuple[str, ...], noun: str) -> None:
    if word not in known:
        raise GrammarError(f"`{word}` is no {noun}; {did_you_mean(str(word), known)}", offset_of(word))
