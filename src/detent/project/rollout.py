"""The `rollout` section: how a new version gets its traffic, and what it must show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from detent.project.durations import parse_duration
from detent.project.nodes import Section, Value
from detent.records.check import Check
from detent.records.project import Experiment, Proof, RolloutPlan, Stage

_STAGES = {"canary": ("shadow", "5%", "25%", "100%"), "blue_green": ("shadow", "100%"), "ab": ("100%",)}
_STAGES["bandit"] = _STAGES["ab"]
_ALWAYS = ("kind", "alpha", "tolerated", "slow", "slower")
_STAGED = ("stages", "min_requests", "min_entities", "min_time", "max_time", "on_timeout", "promote")
_BANDIT = ("lasts", "reward", "every", "min_rewards", "floor", "half_life")
_KEYS = {
    "canary": _ALWAYS + _STAGED,
    "blue_green": _ALWAYS + _STAGED,
    "ab": (*_ALWAYS, "split", "lasts"),
    "bandit": _ALWAYS + _BANDIT,
}
_DEFAULT = RolloutPlan(
    stages=(), min_requests=100, min_time=timedelta(hours=1), max_time=timedelta(days=7), alpha=0.002
)


def read_rollout(value: Value | None, gate: Sequence[Check]) -> RolloutPlan:
    """Read the section; None gives a canary with every default.

    Service times are judged by `slow`, and where that is not given, by the gate's limit of latency.

    Raises:
        ProjectError: with the place and the nearest right word.
    """
    kind, section = "canary", None
    if value is not None:
        kind = value.section().read("kind", lambda item: item.one_of(tuple(_KEYS)), kind)
        section = value.section(_KEYS[kind])
    read = _Reader(section)
    stages = section.get("stages") if section else None
    plan = RolloutPlan(
        kind=kind,
        stages=_stages(stages) if stages else tuple(_stage(text) for text in _STAGES[kind]),
        min_requests=read.whole("min_requests", _DEFAULT.min_requests, low=1),
        min_entities=read.whole("min_entities", _DEFAULT.min_entities, low=1),
        min_time=read.span("min_time", _DEFAULT.min_time),
        max_time=read.length("max_time", _DEFAULT.max_time),
        on_timeout=read.word("on_timeout", ("hold", "rollback"), _DEFAULT.on_timeout),
        alpha=read.number("alpha", _DEFAULT.alpha, low=1e-9, high=0.5),
        tolerated=read.number("tolerated", _DEFAULT.tolerated, low=1.0, high=100.0),
        slow=_slow(section, gate),
        slower=_slower(section),
        proof=_proof(section.get("promote") if section else None),
        experiment=_experiment(read),
    )
    hurried = any(stage.lasts is None for stage in plan.stages[:-1]) and plan.max_time <= plan.min_time
    if value is not None and hurried and "stages" in _KEYS[kind]:
        raise value.error(
            f"max_time ({_minutes(plan.max_time)}) ends a stage before min_time ({_minutes(plan.min_time)}) is over",
            "write a max_time that is longer than min_time",
        )
    return plan


class _Reader:
    """Reads one section that may be absent, each key with its default."""

    def __init__(self, section: Section | None) -> None:
        self._section = section

    def whole(self, key: str, default: int, *, low: int) -> int:
        return default if self._section is None else self._section.read(key, lambda item: item.whole(low=low), default)

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        if self._section is None:
            return default
        return self._section.read(key, lambda item: item.number(low=low, high=high), default)

    def share(self, key: str, default: float) -> float:
        return default if self._section is None else self._section.read(key, Value.share, default)

    def span(self, key: str, default: timedelta) -> timedelta:
        return default if self._section is None else self._section.read(key, Value.duration, default)

    def length(self, key: str, default: timedelta) -> timedelta:
        return default if self._section is None else self._section.read(key, _length, default)

    def points(self, key: str, default: int) -> int:
        return default if self._section is None else self._section.read(key, _points, default)

    def floor(self, key: str, default: float) -> float:
        return default if self._section is None else self._section.read(key, _floor, default)

    def word(self, key: str, known: tuple[str, ...], default: str) -> str:
        return default if self._section is None else self._section.read(key, lambda item: item.one_of(known), default)


def _proof(value: Value | None) -> Proof:
    section = value.section(("alpha", "ratio", "failures", "slow", "slower", "loss")) if value else None
    read, default = _Reader(section), Proof()
    return Proof(
        alpha=read.number("alpha", default.alpha, low=1e-9, high=0.5),
        ratio=read.number("ratio", default.ratio, low=1.01, high=100.0),
        failures=read.share("failures", default.failures),
        slow=read.share("slow", default.slow),
        slower=read.share("slower", default.slower),
        loss=None if section is None else section.read("loss", lambda item: item.number(low=0), default.loss),
    )


def _experiment(read: _Reader) -> Experiment:
    default = Experiment()
    return Experiment(
        split=read.points("split", default.split),
        lasts=read.length("lasts", default.lasts),
        reward=read.word("reward", ("loss", "label"), default.reward),
        every=read.length("every", default.every),
        min_rewards=read.whole("min_rewards", default.min_rewards, low=2),
        floor=read.floor("floor", default.floor),
        half_life=read.length("half_life", default.half_life),
    )


def _slow(section: Section | None, gate: Sequence[Check]) -> timedelta | None:
    limits = [check.threshold for check in gate if check.kind == "latency" and not check.against]
    default = timedelta(seconds=max(limits)) if limits else None
    return default if section is None else section.read("slow", _duration_or_off, default)


def _slower(section: Section | None) -> float | None:
    if section is None:
        return _DEFAULT.slower
    return section.read(
        "slower", lambda item: None if _off(item) else item.number(low=1.0, high=100.0), _DEFAULT.slower
    )


def _duration_or_off(value: Value) -> timedelta | None:
    return None if _off(value) else _length(value)


def _off(value: Value) -> bool:
    """YAML reads a bare `off` as false."""
    return value.plain() in (False, "off")


def _stages(value: Value) -> tuple[Stage, ...]:
    items = value.items()
    for item in items:
        if isinstance(item.plain(), int | float):
            raise item.error(f"`{item.plain()}` has no sign", f"write a share of traffic, such as {item.plain()}%")
    stages = tuple(item.parsed(_stage) for item in items)
    weights = [stage.weight for stage in stages]
    if not stages or weights[-1] != 10_000:
        raise value.error("the last stage must be 100%", "end the list with 100%")
    if weights != sorted(set(weights)):
        raise value.error("stages must grow", "write them in rising order, such as [shadow, 5%, 25%, 100%]")
    if stages[-1].lasts is not None:
        raise items[-1].error(
            "100% is the end of the way and takes no time",
            "to keep a share to compare with, write the time at a stage before it, such as 99% for 24h, 100%",
        )
    return stages


def _stage(text: str) -> Stage:
    name, _, lasts = text.partition(" for ")
    name, length = name.strip(), parse_duration(lasts) if lasts else None
    if name == "shadow":
        return Stage(name="shadow", weight=0, lasts=length)
    try:
        weight = round(float(name.removesuffix("%")) * 100) if name.endswith("%") else -1
    except ValueError:
        weight = -1
    if not 1 <= weight <= 10_000:
        raise ValueError(f"`{name}` is no stage; write shadow or a share of traffic from 0.01% to 100%")
    return Stage(name=name, weight=weight, lasts=length)


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g} min"


def _length(value: Value) -> timedelta:
    """Return a duration above 0."""
    length = value.duration()
    if not length:
        raise value.error(f"`{value.plain()}` is no time at all", "write a longer one, such as 30m, 6h or 1d")
    return length


def _points(value: Value) -> int:
    """Return a share that leaves something to both sides, in basis points."""
    points = round(value.share() * 10_000)
    if not 0 < points < 10_000:
        raise value.error(f"`{value.plain()}` leaves one side without requests", "write 0.01% to 99.99%, such as 50%")
    return points


def _floor(value: Value) -> float:
    """Return the least share of an arm; there are two arms at least."""
    floor = value.share()
    if floor > 0.5:
        raise value.error(f"two arms can't both have `{value.plain()}`", "write at most 50%, such as 5%")
    return floor
