"""What a trigger hears at one look. Small and complete: a decision keeps it, so that it can be taken again."""

from __future__ import annotations

from dataclasses import dataclass

from detent.records.finding import CRITICAL, SEVERITIES

PERSISTENT = 3  # windows in a row after which a warning is no passing cloud
IMPORTANT = 0.05  # share of the model's decisions from which on a column matters


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a decision needs of one finding."""

    kind: str  # drift | quality | estimate
    severity: str  # WARNING | CRITICAL
    thing: str  # the episode: "drift:temp", "quality:roc_auc"
    message: str  # one sentence
    severe: bool = False  # far enough not to wait for further windows
    windows: int = 1  # in a row, with this one
    importance: float | None = None  # share of the model's decisions that depend on it; None: not known
    own_deploy: bool = False  # another version took over in this window, so what moved may be our own doing

    @property
    def lasting(self) -> bool:
        """True for what matters and has stayed, or is too far off to wait."""
        matters = self.importance is None or self.importance >= IMPORTANT
        return self.severe or self.severity == CRITICAL or (matters and self.windows >= PERSISTENT)

    def reaches(self, threshold: str | None) -> bool:
        """True at or above a threshold of the plan ("warning", "critical"); None is never reached."""
        if threshold is None:
            return False
        severity = CRITICAL if self.severe else self.severity
        return SEVERITIES.index(severity) >= SEVERITIES.index(threshold.upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """The latest change of who answers, if it lies where quality began to fall."""

    version: int
    at: str  # ISO time


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Another model on the very rows that the present one answered."""

    version: int | None  # None: a model that was fitted for this comparison only
    rows: int
    gain: float  # how much lower its mean loss is
    low: float  # lower 95 % bound of that


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Requests fail faster than the project can afford."""

    share: float  # of the requests of the span
    rows: int
    times: float  # as fast as `slo.errors` allows
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of POST /v1/triggers/{name} that waits."""

    id: str
    name: str
    at: str  # ISO time
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Everything that may move a trigger, at one look."""

    heard: tuple[Heard, ...] = ()  # WARNING and above, the worst first
    broken: tuple[str, ...] = ()  # what is wrong with the newest rows; they are nothing to learn from
    clean: bool = False  # newer rows than those that were broken were looked at, and nothing is wrong with them
    champion: int | None = None  # version that answers
    deploy: Deploy | None = None
    previous: Compared | None = None  # the version before, on the rows on which quality fell
    challenger: Compared | None = None  # a cheap model of recent rows, when one was asked for
    burn: Burn | None = None
    calls: tuple[Call, ...] = ()  # oldest first
    episodes: tuple[str, ...] | None = None  # keys of what is open; None: nobody looked

    def worst(self, kind: str) -> Heard | None:
        """Return the worst of a kind; the first of equals."""
        found = [heard for heard in self.heard if heard.kind == kind]
        return max(found, key=lambda heard: SEVERITIES.index(heard.severity), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What other rooms know and the trigger must be told."""

    labelled_rows: int  # rows with a label known by now, in total
    rollout_running: bool
    money_spent: float = 0.0
    money_next: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a decision."""

    actor: str  # for the ledger
    holder: str  # names the process and thread that would train: "host:pid:token"
