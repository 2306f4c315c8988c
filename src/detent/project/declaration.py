"""Decode `detent.yaml` into records.Project. One small function per section."""

from __future__ import annotations

from pathlib import Path

from detent import plugins
from detent.errors import did_you_mean
from detent.project import front
from detent.project.classes import MULTICLASS, read_classes, refuse_unfit
from detent.project.datasets import read_data
from detent.project.gate import policy_digest, read_gate
from detent.project.log import read_log
from detent.project.monitor import read_monitor
from detent.project.nodes import Value, read_key, read_yaml
from detent.project.prices import read_prices
from detent.project.rollout import read_rollout
from detent.project.trigger import read_trigger
from detent.project.trust import read_trust
from detent.records.cost import Prices
from detent.records.lineage import LineagePlan
from detent.records.project import (
    Features,
    PipelineProject,
    Project,
    Serving,
    SimulationPlan,
    Source,
    Target,
    Trust,
)
from detent.store.clock import parse

FILE = "detent.yaml"
KEYS = (
    "project", "pipeline", "params", "data", "lineage",
    "target", "features", "gate", "serving", "rollout", "monitor", "trigger", "simulate", "trust", "prices",
)  # fmt: skip
TASKS = ("binary", "regression", MULTICLASS)
_EXPECTED = ("run.succeeded", "verdict.passed", "rollout.promoted", "route.changed", "window.watched")
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-_"


def load(folder: Path) -> Project:
    """Read and check a project.

    Raises:
        ProjectError: with file, line and column, and the nearest right word.
    """
    top = read_yaml(folder / FILE).section(KEYS)
    name = _name(top.need("project", "delay-risk"))
    data = read_data(top.need("data", "{events: {source: data/events.parquet, time: at, key: id}}"))
    target = _target(top.need("target", "{data: events, column: label}"), data)
    gate, gate_plan = read_gate(top.need("gate", "[roc_auc >= 0.65]"), folder)
    project = Project(
        name=name,
        folder=str(folder.resolve()),
        pipeline=top.need("pipeline", "pipeline.py:retrain").code(),
        params=top.read("params", _params, ()),
        data=data,
        target=target,
        features=_features(top.need("features", "features.py:features"), data),
        gate=gate,
        gate_plan=gate_plan,
        serving=top.read("serving", lambda value: _serving(value, name), _default_serving(name)),
        rollout=read_rollout(top.get("rollout"), gate),
        monitor=read_monitor(top.get("monitor"), target),
        trigger=read_trigger(top.get("trigger")),
        simulate=_simulate(top.get("simulate")),
        trust=top.read("trust", read_trust, Trust()),
        prices=top.read("prices", read_prices, Prices()),
        lineage=top.read("lineage", _lineage, LineagePlan()),
        policy_digest=policy_digest(gate, gate_plan, folder),
    )
    refuse_unfit(project)
    return project


def load_pipeline(folder: Path) -> PipelineProject:
    """Read and check a project that may have no model: `project`, `pipeline`, `params` and `data` are all it needs.

    A project with a `target` is a whole one, and is read as such.

    Raises:
        ProjectError: with file, line and column, and the nearest right word.
    """
    top = read_yaml(folder / FILE).section(KEYS)
    whole = [key for key in KEYS[5:] if key in top]
    if whole:
        return load(folder)
    return PipelineProject(
        name=_name(top.need("project", "nightly-tables")),
        folder=str(folder.resolve()),
        pipeline=top.need("pipeline", "pipeline.py:build").code(),
        params=top.read("params", _params, ()),
        data=top.read("data", read_data, ()),
        lineage=top.read("lineage", _lineage, LineagePlan()),
    )


def _name(value: Value) -> str:
    name = value.text()
    if not set(name) <= set(_NAME) or len(name) > 63:
        raise value.error(f"`{name}` can't be a name in URLs and files", "use up to 63 small letters, digits, - and _")
    return name


def _params(value: Value) -> tuple[tuple[str, object], ...]:
    return tuple((key, item.plain()) for key, item in value.section().entries())


def _target(value: Value, data: tuple[Source, ...]) -> Target:
    section = value.section(("data", "column", "known_at", "task", "group", "series", "season", "classes"))
    task = section.read("task", lambda item: item.one_of(TASKS), "binary")
    return Target(
        data=_dataset(section.need("data", data[0].name), data).name,
        column=section.need("column", "label").text(),
        known_at=section.read("known_at", Value.text, None),
        task=task,
        classes=read_classes(section, task),
        group=section.read("group", Value.text, None),
        series=section.read("series", Value.text, None),
        season=section.read("season", Value.duration, None),
    )


def _features(value: Value, data: tuple[Source, ...]) -> Features:
    if isinstance(value.plain(), str):
        function, rows, entity, place = value.code(), data[0], None, value
    else:
        section = value.section(("function", "rows", "entity"))
        function = section.need("function", "features.py:features").code()
        place = section.get("rows") or value
        rows = _dataset(place, data) if "rows" in section else data[0]
        entity = section.read("entity", Value.text, None)
    if rows.key is None or rows.time is None:
        raise place.error(
            f"dataset `{rows.name}` has no key or no time, so its rows can't be predicted and followed",
            f"declare both at data.{rows.name}: key names a row, time says when it asks for a prediction",
        )
    return Features(function=function, rows=rows.name, entity=entity)


def _dataset(value: Value, data: tuple[Source, ...]) -> Source:
    name = value.text()
    found = [source for source in data if source.name == name]
    if not found:
        names = tuple(source.name for source in data)
        raise value.error(f"`{name}` is no dataset of this project", did_you_mean(name, names))
    return found[0]


def _default_serving(name: str) -> Serving:
    return Serving(endpoint=name, fallback="previous", workers=0, port=8321)


def _serving(value: Value, name: str) -> Serving:
    section = value.section(("endpoint", "fallback", "workers", "port", "log", *front.KEYS))
    default = _default_serving(name)
    return Serving(
        endpoint=section.read("endpoint", _name, default.endpoint),
        fallback=section.read("fallback", lambda item: front.read_fallback(item)[0], default.fallback),
        workers=section.read("workers", lambda item: item.whole(low=0, high=256), default.workers),
        port=section.read("port", lambda item: item.whole(low=0, high=65535), default.port),
        log=section.read("log", read_log, default.log),
        front=front.read_front(section),
    )


def _lineage(value: Value) -> LineagePlan:
    section = value.section(("url", "secret"))
    return LineagePlan(
        url=section.need("url", "http://localhost:5000").text(), secret=section.read("secret", Value.text, None)
    )


def _simulate(value: Value | None) -> SimulationPlan:
    section = value.section(("start", "until", "sample", "seed", "sabotage", "expect")) if value else None
    return SimulationPlan(
        start=read_key(section, "start", _date, None),
        until=read_key(section, "until", _date, None),
        sample=read_key(section, "sample", Value.share, 1.0),
        seed=read_key(section, "seed", lambda item: item.whole(low=0), 7),
        sabotage=read_key(section, "sabotage", _sabotage, ()),
        expect=read_key(section, "expect", lambda item: tuple(kind.text() for kind in item.items()), _EXPECTED),
    )


def _sabotage(value: Value) -> tuple[tuple[str, str], ...]:
    return tuple((kind, _date(item)) for kind, item in value.section(plugins.names("sabotage")).entries())


def _date(value: Value) -> str:
    text = str(value.plain())
    try:
        parse(text)
    except ValueError as error:
        raise value.error(f"`{text}` is no date", "write an ISO date, such as 2013-03-01") from error
    return text
