"""What is seen at one look, and how it is kept: a decision can be taken again from it, years later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from detent.records.project import Experiment, Proof, RolloutPlan, Stage
from detent.records.rollout import ArmTally, Bad, Difference, Reward, Tally
from detent.rollout.shadow import ShadowReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that a decision is computed from besides the plan, the rollout and the time."""

    tallies: tuple[Tally, ...] = ()  # every weight since the rollout began
    entities: int = 0  # distinct entities that the candidate answered in the present stage
    shadow: ShadowReport | None = None
    differences: tuple[Difference, ...] = ()
    rewards: tuple[Reward, ...] = ()
    route_seq: int = 0  # of the route in force


def look_as_json(look: Look) -> dict[str, Any]:
    """Return what `look_from_json` reads."""
    return asdict(look)


def look_from_json(data: Mapping[str, Any]) -> Look:
    """Return the look that was kept."""
    return Look(
        tallies=tuple(
            Tally(
                version=tally["version"],
                weight=tally["weight"],
                candidate=_arm(tally["candidate"]),
                champion=_arm(tally["champion"]),
            )
            for tally in data["tallies"]
        ),
        entities=data["entities"],
        shadow=None if data["shadow"] is None else ShadowReport(**data["shadow"]),
        differences=tuple(Difference(**one) for one in data["differences"]),
        rewards=tuple(Reward(**one) for one in data["rewards"]),
        route_seq=data["route_seq"],
    )


def plan_as_json(plan: RolloutPlan) -> dict[str, Any]:
    """Return what `plan_from_json` reads; durations are seconds."""
    return _seconds(asdict(plan))


def plan_from_json(data: Mapping[str, Any]) -> RolloutPlan:
    """Return the plan as it was when the decision was taken: `detent.yaml` may have changed since."""
    stages = tuple(
        Stage(name=stage["name"], weight=stage["weight"], lasts=_duration(stage["lasts"])) for stage in data["stages"]
    )
    trial = data["experiment"]
    experiment = Experiment(**{**trial, **{name: _span(trial[name]) for name in ("lasts", "every", "half_life")}})
    times = {"min_time": _span(data["min_time"]), "max_time": _span(data["max_time"]), "slow": _duration(data["slow"])}
    return RolloutPlan(**{**data, **times, "stages": stages, "proof": Proof(**data["proof"]), "experiment": experiment})


def _arm(data: Mapping[str, Any]) -> ArmTally:
    return ArmTally(
        requests=data["requests"],
        entities=data["entities"],
        failures=Bad(**data["failures"]),
        slow=Bad(**data["slow"]),
        slower=Bad(**data["slower"]),
    )


def _seconds(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, dict):
        return {key: _seconds(item) for key, item in value.items()}
    return [_seconds(item) for item in value] if isinstance(value, list | tuple) else value


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else _span(seconds)
