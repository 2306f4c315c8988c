"""The section `serving.log` of a project file."""

from __future__ import annotations

import re
from datetime import timedelta

from detent.project.durations import BYTES
from detent.project.nodes import Value
from detent.records.log import DROP, HASH, KEEP, MODES, OFF, LogPlan

_SHORTEST, _LONGEST = timedelta(milliseconds=1), timedelta(minutes=1)
_LEAST_BYTES = 64 << 20  # a few segments per worker
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def read_log(value: Value) -> LogPlan:
    """Return what stands in the section.

    Raises:
        ProjectError: with the place of what is wrong.
    """
    section, default = value.section(("mode", "sample", "sync", "max_bytes", "fields", "keep_days")), LogPlan()
    return LogPlan(
        mode=section.read("mode", _mode, default.mode),
        sample=section.read("sample", Value.share, default.sample),
        sync=section.read("sync", _sync, default.sync),
        max_bytes=section.read("max_bytes", lambda item: item.parsed(_bytes), default.max_bytes),
        fields=section.read("fields", _fields, default.fields),
        keep_days=section.read("keep_days", lambda item: item.whole(low=1), None),
    )


def _mode(value: Value) -> str:
    return OFF if value.plain() is False else value.one_of(MODES)  # YAML reads a bare `off` as false


def _sync(value: Value) -> timedelta:
    time = value.duration()
    if not _SHORTEST <= time <= _LONGEST:
        raise value.error(f"{value.text()} is out of range", "give a time between 1ms and 1m")
    return time


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2] not in BYTES:
        raise ValueError(f"`{text}` is no size; write a number and a unit, such as 500MB or 2GiB")
    size = int(float(found[1]) * BYTES[found[2]])
    if size < _LEAST_BYTES:
        raise ValueError(f"{text} is too little for a log; give at least {_LEAST_BYTES >> 20} MiB")
    return size


def _fields(value: Value) -> tuple[tuple[str, str], ...]:
    section = value.section()
    return tuple((name, rule.one_of((KEEP, HASH, DROP))) for name, rule in section.entries())
