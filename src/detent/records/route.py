"""Who answers at an endpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A version and its share of traffic."""

    version: int
    weight: int  # basis points; the weights of a route add up to 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What every serving process reads on every request."""

    endpoint: str
    model: str
    seq: int  # grows with every change
    arms: tuple[Arm, ...]  # () refuses all traffic: nothing is deployed
    shadows: tuple[int, ...]  # versions that also see each request and whose answers are only logged
    fallback: int | None  # version that answers when the chosen one fails
    loaded: tuple[int, ...]  # versions every process keeps ready (a change of weight or a rollback loads nothing)
    salt: str  # makes two rollouts assign entities independently
