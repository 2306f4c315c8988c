"""A rollout in progress and the decision taken about it at a tick."""

from __future__ import annotations

from dataclasses import dataclass

ADVANCE, HOLD, ROLL_BACK, FINISH = "advance", "hold", "roll back", "finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """State of one rollout."""

    id: str
    model: str
    endpoint: str
    candidate: int
    champion: int | None  # None: the first version ever; there is nothing to compare with
    stage: int  # index into the plan's stages
    stage_since: str  # ISO time
    started_at: str
    state: str  # running | promoted | rolled back | called back
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests and failures of both arms at one weight: what the e-process is computed from."""

    weight: int  # basis points of the candidate while these were counted
    candidate_requests: int
    candidate_errors: int
    champion_requests: int
    champion_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A decision about a rollout."""

    action: str  # advance | hold | roll back | finish
    reason: str
    evidence: float | None  # e-value against "the candidate fails no more often than tolerated"
