"""Answers with a probability for each class, by the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from detent.serving.rows.answers import Line
from detent.serving.rows.outcome import Outcome


def by_name(line: Line, outcome: Outcome | None, classes: Sequence[str]) -> Line:
    """Return a line with the probabilities and the most probable class; of equal ones the first."""
    if outcome is None or not outcome.classes or len(classes) != len(outcome.classes):
        return line
    label = classes[outcome.classes.index(max(outcome.classes))]
    return replace(line, label=label, probabilities=dict(zip(classes, outcome.classes, strict=True)))


def tables(lines: Sequence[Line]) -> tuple[tuple[str, ...], list[list[float]]]:
    """Return the names of the classes in all lines, sorted, and a row of probabilities per line, in that order.

    While versions with other classes answer side by side, a class that a version does not know has 0.
    """
    names = tuple(sorted({name for line in lines for name in line.probabilities or ()}))
    return names, [[(line.probabilities or {}).get(name, 0.0) for name in names] for line in lines]
