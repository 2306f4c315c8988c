"""Times and rates as people write them: `20ms`, `6h`, `1d`, `4/day`."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
BYTES = {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3}
_PERIODS = {"hour": "1h", "day": "1d", "week": "1w", "month": "30d"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


def parse_duration(text: str) -> timedelta:
    """Return the length of `6h`, `90s`, `1d` ...

    Raises:
        ValueError: with a sentence that says what is accepted.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or found[2] not in SECONDS:
        raise ValueError(f"`{text}` is no duration; write a number and a unit, such as 30m, 6h or 1d")
    try:
        return timedelta(seconds=float(found[1]) * SECONDS[found[2]])
    except OverflowError:
        raise ValueError(f"`{text}` is longer than any time that can be told") from None


def parse_rate(text: str) -> tuple[int, timedelta]:
    """Return (times, period) of `4/day`, `1/week`, `10/30d`.

    Raises:
        ValueError: with a sentence that says what is accepted.
    """
    times, slash, period = text.partition("/")
    if not slash or not times.strip().isdigit():
        raise ValueError(f"`{text}` is no rate; write times per period, such as 4/day, 1/week or 10/30d")
    period = period.strip()
    return int(times), parse_duration(_PERIODS.get(period, period))
