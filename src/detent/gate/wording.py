"""Numbers as people read them."""

from __future__ import annotations

_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_SIZES = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))
_BYTES = ("size", "memory", "growth")  # kinds of checks


def number(value: float) -> str:
    """Return a metric's value with four digits after the point, fewer for large ones."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def quantity(kind: str, value: float) -> str:
    """Return a value in the unit of a check's kind: seconds as ms, bytes as MB, else a plain number."""
    if kind == "latency":
        return _scaled(value, _TIMES)
    if kind in _BYTES:
        return _scaled(value, _SIZES)
    return f"{value:.3g}" if kind == "cost" else number(value)


def limit(kind: str, value: float) -> str:
    """Return a threshold as a user would write it: 0.65, not 0.6500."""
    return quantity(kind, value) if kind in ("latency", *_BYTES) else f"{value:g}"


def count(n: int, noun: str = "row") -> str:
    """Return a number of things: `1 row`, `5,000 rows`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def percent(share: float) -> str:
    """Return a share in per cent, with as many digits as tell something."""
    return f"{share * 100:.3g} %"


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for size, name in units:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    size, name = units[-1]
    return f"{value / size:.3g} {name}"
