"""One entry of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened, before the ledger numbers and chains it."""

    kind: str  # "verdict.passed", "route.changed", ... : noun.past_participle
    subject: str  # what it is about: "version:flights/3", "endpoint:flights", "run:12"
    actor: str  # who did it: "cli:<login>", "controller", "simulation", "api:<key id>"
    payload: Mapping[str, Any] = field(default_factory=dict)  # JSON; what two runs with one seed agree on
    observed: Mapping[str, Any] = field(default_factory=dict)  # JSON; depends on this machine: durations, process ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact in the ledger."""

    seq: int  # 1, 2, 3 ... without gaps
    time: str  # ISO 8601, UTC, microseconds
    kind: str
    subject: str
    actor: str
    payload: Mapping[str, Any]
    observed: Mapping[str, Any]
    previous: str  # hash of the event before; 64 zeros for the first
    hash: str  # sha256 over all of the above
