"""The keys of the section `monitor` that are about drift."""

from __future__ import annotations

from pathlib import Path

from detent.errors import Place, ProjectError
from detent.project.durations import parse_rate
from detent.project.nodes import Section, Value, read_key, read_yaml
from detent.records.project import DriftPlan

KEYS = ("false_alarms", "scales", "correction", "warn", "seasonal", "slices", "keep_rows", "embeddings")
FILE = "detent.yaml"
_MONTH = 30.0  # days
_DEFAULT = DriftPlan()


def read_drift(section: Section | None) -> DriftPlan:
    """Read how drift is looked for; every key has a default.

    Raises:
        ProjectError: with the place and what is expected there.
    """
    warn = section.get("warn") if section else None
    limits = warn.section(("psi", "wasserstein", "nulls")) if warn and warn.plain() is not None else None
    return DriftPlan(
        false_alarms=read_key(section, "false_alarms", _per_month, _DEFAULT.false_alarms),
        scales=read_key(section, "scales", _scales, ()),
        correction=read_key(section, "correction", lambda value: value.one_of(("bh", "by", "bonferroni")), "bh"),
        psi=read_key(limits, "psi", _positive, _DEFAULT.psi),
        wasserstein=read_key(limits, "wasserstein", _positive, _DEFAULT.wasserstein),
        nulls=read_key(limits, "nulls", Value.share, _DEFAULT.nulls),
        seasonal=read_key(section, "seasonal", _switch, "auto"),
        slices=read_key(section, "slices", _names, ()),
        embeddings=read_key(section, "embeddings", _names, ()),
        keep_rows=read_key(section, "keep_rows", lambda value: value.whole(low=0), _DEFAULT.keep_rows),
    )


def slice_error(folder: Path, name: str, why: str, fix: str) -> ProjectError:
    """Build the error that points at a column of `monitor.slices`; what it has to be is known only later."""
    what, section = f"rows can't be sliced by `{name}`", read_yaml(folder / FILE).section().get("monitor")
    named = section.section().get("slices") if section is not None else None
    for item in named.items() if named is not None else ():
        if item.plain() == name:
            return item.error(why, fix, what=what)
    return ProjectError(what=what, why=why, fix=fix, where=Place(file=FILE, field="monitor.slices"))


def _per_month(value: Value) -> float:
    """Return `1/month`, `2/week` ... as alarms per 30 days."""
    times, period = value.parsed(parse_rate)
    if times < 1 or period.total_seconds() <= 0:
        raise value.error("without any false alarm nothing could be found", "write for example 1/month")
    return times * _MONTH * 86_400 / period.total_seconds()


def _scales(value: Value) -> tuple[int, ...]:
    return tuple(sorted({item.whole(low=1, high=366) for item in value.items()}))


def _positive(value: Value) -> float:
    number = value.number(low=0)
    if number == 0:
        raise value.error("a change of any size would matter", "give a number above 0")
    return number


def _switch(value: Value) -> str:
    # YAML reads a bare `off` as false.
    return "off" if value.plain() is False else value.one_of(("auto", "off"))


def _names(value: Value) -> tuple[str, ...]:
    return tuple(item.text() for item in value.items())
