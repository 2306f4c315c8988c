"""The section `trigger`: what may start a retraining, and how often at most."""

from __future__ import annotations

import re
from datetime import timedelta

from croniter import croniter

from detent.project.durations import parse_rate
from detent.project.nodes import Section, Value, read_key
from detent.records.project import Slo, TriggerPlan

_WISHES = ("cron", "drift", "quality", "new_rows", "webhooks", "slo")
_GUARDS = ("cooldown", "budget", "money", "new_labels", "challenger", "fallback", "ask_after")
_SEVERITIES = ("warning", "critical")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def read_trigger(value: Value | None) -> TriggerPlan:
    """Read what may ask for a retraining, and the guards; without the section nothing asks.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    section = value.section((*_WISHES, *_GUARDS)) if value else None
    budget, period = read_key(section, "budget", lambda item: item.parsed(parse_rate), (4, timedelta(days=30)))
    return TriggerPlan(
        cron=read_key(section, "cron", lambda item: item.parsed(_cron), None),
        drift=read_key(section, "drift", lambda item: item.one_of(_SEVERITIES), None),
        quality=read_key(section, "quality", lambda item: item.one_of(_SEVERITIES), None),
        new_rows=read_key(section, "new_rows", lambda item: item.whole(low=1), None),
        webhooks=read_key(section, "webhooks", _names, ()),
        slo=read_key(section, "slo", _slo, None),
        cooldown=read_key(section, "cooldown", Value.duration, timedelta(days=1)),
        budget=budget,
        budget_period=period,
        money=read_key(section, "money", lambda item: item.number(low=0), None),
        new_labels=read_key(section, "new_labels", lambda item: item.whole(low=0), 0),
        challenger=_switch(section, "challenger"),
        fallback=_switch(section, "fallback"),
        ask_after=read_key(section, "ask_after", lambda item: item.whole(low=1), 2),
    )


def _switch(section: Section | None, key: str) -> bool:
    return read_key(section, key, _on, True)


def _on(value: Value) -> bool:
    plain = value.plain()
    if not isinstance(plain, bool):  # YAML reads on, off, yes and no as booleans
        raise value.error(f"`{plain}` is neither on nor off", "write on or off")
    return plain


def _names(value: Value) -> tuple[str, ...]:
    names = tuple(item.parsed(_name) for item in value.items())
    if len(set(names)) < len(names):
        raise value.error("a name stands there twice", "give each webhook a name of its own")
    return names


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"`{text}` can't be a part of an address; write lower case letters, digits, - and _")
    return text


def _slo(value: Value) -> Slo:
    section = value.section(("errors", "burn", "over"))
    over = section.read("over", Value.duration, timedelta(hours=1))
    if over < timedelta(minutes=1):
        raise value.error("a span below a minute holds too few requests", "write a longer span, such as 1h")
    return Slo(
        errors=section.need("errors", "1%").share(),
        burn=section.read("burn", lambda item: item.number(low=1), 14.4),
        over=over,
    )


def _cron(text: str) -> str:
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(f'`{text}` is no cron line; write five fields, such as "0 3 * * 1" for Mondays at 03:00 UTC')
    return text
