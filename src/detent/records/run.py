"""A pipeline run and the request that asked for it."""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = -1  # shard of a step that is no fan-out


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Why a training run is wanted."""

    reason: str  # cron | drift | quality | estimate | slo | new_rows | webhook | manual | bootstrap | sabotage
    detail: str  # one sentence
    asked_at: str  # ISO time
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDecision:
    """What a trigger would do and why."""

    action: str  # retrain | roll_back | quarantine | challenge | ask | ignore
    request: RunRequest | None  # for retrain and challenge
    reason: str
    rule: str = ""  # the rule that spoke, with its number: "3 quality fell"
    cause: str = ""  # what it is about: "drift:temp", "quality:roc_auc", "cron"; refusals are counted per cause
    fall_back: bool = False  # the version before answers until the training has brought a better one
    evidence: tuple[tuple[str, str], ...] = ()  # (what was looked at, what it said)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """What became of one step, or of one item of a fan-out."""

    step: str
    shard: int = WHOLE  # which item, counted from 0
    outcome: str  # hit | ran | failed | skipped
    why: str  # what changed since the cached result, or "unchanged"
    key: str = ""  # cache key
    variant: str = ""  # digest of what it read besides its arguments; "" when that is nothing
    seconds: float = 0.0  # wall time of its attempts
    cpu_seconds: float = 0.0  # of the attempt that succeeded, with the processes that it waited for
    attempts: int = 0
    log: str = ""  # path of the captured output, relative to the state folder; "" for a hit
    outputs: tuple[tuple[str, str], ...] = ()  # (output name, digest)
    inputs: tuple[tuple[str, str, str], ...] = ()  # (parameter, digest, where it comes from)
    warnings: tuple[str, ...] = ()  # such as files that it read without saying so
    error: str = ""
    ended_at: str = ""  # ISO time

    @property
    def label(self) -> str:
        """The step's name, with the item's number in a fan-out: `train[3]`."""
        return self.step if self.shard == WHOLE else f"{self.step}[{self.shard}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a pipeline."""

    id: str
    pipeline: str
    started_at: str
    steps: tuple[StepRun, ...]
    state: str  # running | succeeded | failed
    request: RunRequest | None = None
    graph: str = ""  # digest of the graph document
    ended_at: str = ""  # ISO time; "" while it runs
