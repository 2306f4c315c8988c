"""The section `trigger`: what may start a retraining, and how often at most."""

from __future__ import annotations

from datetime import timedelta

from croniter import croniter

from detent.project.durations import parse_duration, parse_rate
from detent.project.nodes import Value, read_key
from detent.records.project import TriggerPlan


def read_trigger(value: Value | None) -> TriggerPlan:
    """Read what may ask for a retraining, and the guards; without the section nothing asks.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    keys = ("cron", "drift", "quality", "new_rows", "cooldown", "budget")
    section = value.section(keys) if value else None
    severities = ("warning", "critical")
    budget, period = read_key(section, "budget", lambda item: item.parsed(parse_rate), (4, timedelta(days=30)))
    return TriggerPlan(
        cron=read_key(section, "cron", lambda item: item.parsed(_cron), None),
        drift=read_key(section, "drift", lambda item: item.one_of(severities), None),
        quality=read_key(section, "quality", lambda item: item.one_of(severities), None),
        new_rows=read_key(section, "new_rows", lambda item: item.whole(low=1), None),
        cooldown=read_key(section, "cooldown", _duration, timedelta(days=1)),
        budget=budget,
        budget_period=period,
    )


def _cron(text: str) -> str:
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(f'`{text}` is no cron line; write five fields, such as "0 3 * * 1" for Mondays at 03:00 UTC')
    return text


def _duration(value: Value) -> timedelta:
    return value.parsed(parse_duration)
