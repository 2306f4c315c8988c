"""The section `monitor`: what is watched in production, and who is told."""

from __future__ import annotations

from datetime import timedelta

from detent import plugins
from detent.project.durations import parse_duration
from detent.project.nodes import Value, read_key
from detent.records.project import Channel, MonitorPlan, Target


def read_monitor(value: Value | None, target: Target) -> MonitorPlan:
    """Read what is watched; every key has a default, so the section may be missing.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    section = value.section(("window", "labels_within", "quality", "floor", "channels")) if value else None
    return MonitorPlan(
        window=read_key(section, "window", _duration, timedelta(days=1)),
        labels_within=read_key(section, "labels_within", _duration, timedelta(days=1)),
        quality=read_key(section, "quality", Value.text, "roc_auc" if target.task == "binary" else "rmse"),
        floor=read_key(section, "floor", Value.number, None),
        channels=read_key(section, "channels", _channels, (Channel(kind="log", url=None, secret=None),)),
    )


def _channels(value: Value) -> tuple[Channel, ...]:
    return tuple(_channel(item) for item in value.items())


def _channel(value: Value) -> Channel:
    if isinstance(value.plain(), str):
        return Channel(kind=value.one_of(plugins.names("channel")), url=None, secret=None)
    section = value.section(("kind", "url", "secret"))
    return Channel(
        kind=section.need("kind", "webhook").one_of(plugins.names("channel")),
        url=section.read("url", Value.text, None),
        secret=section.read("secret", Value.text, None),
    )


def _duration(value: Value) -> timedelta:
    return value.parsed(parse_duration)
