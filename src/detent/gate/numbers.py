"""A result's numbers as text, the same in every rendering."""

from __future__ import annotations

from collections.abc import Sequence

from detent.gate.explanation import Example, Part
from detent.gate.wording import limit, quantity
from detent.records.check import PASS, CheckResult

DASH = "-"
YES_OR_NO = ("provenance",)  # kinds of checks that hold or do not: a limit of 0 would say nothing
HEAD = ("decision", "check", "value", "interval", "asked", "rows")
SLICE_HEAD = ("slice", "rows", "value", "interval", "champion", "decision")
EXAMPLE_HEAD = ("row", "truth", "this model", "champion")


def cells(result: CheckResult) -> tuple[str, str, str, str]:
    """Return value, interval, threshold and rows; a dash where there is none."""
    asked = DASH if result.threshold is None or result.kind in YES_OR_NO else asked_text(result.kind, result.threshold)
    value, interval = _value(result.kind, result.value), _interval(result.kind, result.low, result.high)
    return value, interval, asked, f"{result.rows:,}" if result.rows else DASH


def asked_text(kind: str, threshold: float) -> str:
    """Return a limit as written; one that was computed, such as a share of the champion's value, with three digits."""
    text = limit(kind, threshold)
    return text if len(text) <= 7 else f"{threshold:.3g}"


def slice_cells(part: Part) -> tuple[str, ...]:
    """Return a slice's name, rows, value, interval, the champion's value, and the decision."""
    found = part.found
    return (
        f"{found.column}={found.value}",
        f"{found.rows:,}",
        _value(part.kind, found.metric),
        _interval(part.kind, found.low, found.high),
        _value(part.kind, found.champion),
        "compared" if found.decision == PASS else found.decision,
    )


def example_cells(example: Example) -> tuple[str, ...]:
    """Return a row's name, its label, and both scores."""
    champion = DASH if example.champion is None else _score(example.champion)
    label = example.label if isinstance(example.label, str) else f"{example.label:g}"
    return example.key, label, _score(example.candidate), champion


def example_title(examples: Sequence[Example], of: str) -> str:
    """Return what is above a table of examples; `of` is the slice that they are from, "" for all rows."""
    beside = any(example.champion is not None for example in examples)
    which = "that the champion answers better" if beside else "that it answers worst"
    return f"Rows of {of} {which}" if of else f"Rows {which}"


def _score(value: float) -> str:
    """Show scores of one table with the same digits after the point, as long as that shows anything."""
    return f"{value:.4f}" if 0.001 <= abs(value) < 1_000 or value == 0 else f"{value:.4g}"


def _value(kind: str, value: float | None) -> str:
    return DASH if value is None else quantity(kind, value)


def _interval(kind: str, low: float | None, high: float | None) -> str:
    return DASH if low is None or high is None else f"{quantity(kind, low)} .. {quantity(kind, high)}"
