"""Moments, spans and numbers as the trigger's sentences have them."""

from __future__ import annotations

from datetime import datetime, timedelta


def ended(sentence: str) -> str:
    """Return the sentence with its full stop."""
    return sentence if sentence.endswith(".") else f"{sentence}."


def moment(at: datetime) -> str:
    """Return "2013-03-04 09:00 UTC"."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def times(number: int) -> str:
    """Return "once", "twice", "3 times"."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def span(length: timedelta) -> str:
    """Return "30 days" or "6 h"."""
    hours = length.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"
