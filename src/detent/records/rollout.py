"""A rollout in progress, what is seen of it at a look, and the decision taken then."""

from __future__ import annotations

from dataclasses import dataclass

from detent.records.route import Arm

ADVANCE, HOLD, ROLL_BACK, FINISH, REWEIGHT, CONCLUDE = (
    "advance",
    "hold",
    "roll back",
    "finish",
    "reweight",
    "conclude",
)
CANARY, BLUE_GREEN, AB, BANDIT = "canary", "blue_green", "ab", "bandit"
INCONCLUSIVE, ROUTING_BROKEN = "inconclusive", "routing broken"
RUNNING, PROMOTED, ROLLED_BACK, CALLED_BACK, CONCLUDED = (
    "running",
    "promoted",
    "rolled back",
    "called back",
    "concluded",
)
FAILURES, SLOW, SLOWER = "failures", "slow", "slower"


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
    state: str  # running | promoted | rolled back | called back | concluded
    reason: str
    kind: str = "canary"  # canary | blue_green | ab | bandit
    arms: tuple[Arm, ...] = ()  # of an A/B test or a bandit, champion first; a canary's follow from its stage
    slow: float | None = None  # seconds of service time beyond which an answer is slow; None: not judged
    slower: float | None = None  # the same, taken from the champion's own times before the comparison began


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """How often something bad happened."""

    events: int = 0
    independent: int = 0  # of these, one per entity in ten minutes: a busy caller that always fails is one event


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTally:
    """What one arm did at one weight."""

    requests: int = 0
    entities: int = 0  # that were first seen at this weight
    failures: Bad = Bad()  # no score of its own: it raised, or a fallback or the breaker stepped in
    slow: Bad = Bad()  # service time above the limit
    slower: Bad = Bad()  # service time above what 95 % of the champion's answers used to need


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A candidate and the champion at one weight: what evidence is computed from."""

    version: int  # which candidate
    weight: float  # chance in basis points that a request of these two went to the candidate
    candidate: ArmTally = ArmTally()
    champion: ArmTally = ArmTally()


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Events of both arms at one weight."""

    weight: float  # chance that a request goes to the candidate, 0..1
    candidate: float  # whole, but for forecasts, which take expectations
    champion: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A mean over the candidate's rows minus the mean over the champion's."""

    name: str  # loss | failures | seconds
    version: int  # which candidate
    source: str  # "shadow": both answered the same rows; "arms": each its own, weighted by propensity
    rows: int  # pairs, or rows of both arms together
    candidate_rows: int  # rows of each arm; for pairs the same number twice
    champion_rows: int
    mean: float  # above 0 the candidate is worse
    variance: float  # of one term of that mean
    candidate_matured: int = 0  # rows old enough to have a label; 0 where no label is needed
    champion_matured: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What an arm of a bandit earned with matured rows, as sums in which older rewards count less."""

    version: int
    matured: int  # rows old enough to have a label
    rewarded: int  # of these, with one
    count: float
    total: float
    squares: float
    binary: bool
    value: float | None  # mean reward if it answered everybody, from logged propensities
    error: float | None  # standard error of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What one kind of bad event says."""

    name: str  # failures | slow | slower
    candidate_bad: int
    candidate_requests: int
    champion_bad: int
    champion_requests: int
    harm: float  # e-value against "happens at most `tolerated` times as often"
    alpha: float  # harm of 1/alpha rolls back
    safe: float  # the larger e-value of "not `ratio` times as often" and "rarer than the cap"
    proof: str  # which of the two: "ratio" | "cap"
    ratio: float | None  # most likely ratio of both rates; None without bad events
    low: float  # 95 % confidence sequence of the ratio
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A decision about a rollout."""

    action: str  # advance | hold | roll back | finish | reweight | conclude
    reason: str
    evidence: float | None  # the largest e-value against "the candidate is no worse than tolerated"
    metrics: tuple[Metric, ...] = ()
    alarm: str = ""  # "" | inconclusive | routing broken: what people must be told
    arms: tuple[Arm, ...] = ()  # new weights, with "reweight"
