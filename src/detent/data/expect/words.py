"""Numbers of results as people read them."""

from __future__ import annotations

from detent.records.expectation import Expectation

_SHARES = ("null_rate", "unique_rate")
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s"))


def quantity(name: str, value: float) -> str:
    """Return a number in the unit of what it measures."""
    if name in _SHARES:
        return f"{value * 100:.4g}%"
    if name == "freshness":
        size, unit = next((pair for pair in _UNITS if abs(value) >= pair[0]), _UNITS[-1])
        return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.5g}"


def subject(expectation: Expectation) -> str:
    """Return what is measured: `mean(temp)`, `rows`."""
    inside = [*expectation.columns, *([expectation.argument] if expectation.argument else [])]
    return f"{expectation.name}({', '.join(inside)})" if inside else expectation.name


def count(number: int, noun: str) -> str:
    """Return `1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
