"""A pipeline run and the request that asked for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Why a training run is wanted."""

    reason: str  # cron | drift | quality | new_rows | manual | bootstrap | sabotage
    detail: str  # one sentence
    asked_at: str  # ISO time
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    """What a trigger would do and why."""

    action: str  # retrain | ignore
    request: RunRequest | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """What became of one step."""

    step: str
    outcome: str  # hit | ran | failed | skipped
    why: str  # what changed since the cached result, or "unchanged"
    key: str  # cache key
    seconds: float  # wall time
    attempts: int
    log: str  # path of the captured output, relative to the state folder; "" for a hit
    outputs: tuple[tuple[str, str], ...] = ()  # (output name, digest)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a pipeline."""

    id: str
    pipeline: str
    started_at: str
    steps: tuple[StepRun, ...]
    state: str  # running | succeeded | failed
    request: RunRequest | None = None
