"""The rows of the monitor report. Times are ISO texts; `seq` is the number of the entry in the ledger that says so."""

from __future__ import annotations

from dataclasses import dataclass

SHARES = ("nulls", "novel", "constant")  # statistics that are shares of rows


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """One window of traffic."""

    start: str
    end: str
    rows: int  # requests that asked for a live answer
    severity: str  # worst finding about its traffic
    drift: float  # largest PSI, corrected for its size
    idle: bool  # nothing was served
    lacking: tuple[str, ...]  # hosts whose answers were not all here when it was judged
    seq: int
    came: tuple[str, ...] = ()  # hosts whose answers came later: it was judged again with them


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number with its bounds: quality, an estimate of it, or the share of labels that are known."""

    start: str
    end: str
    metric: str
    value: float
    low: float | None
    high: float | None
    threshold: float | None
    rows: int
    severity: str
    version: int | None
    text: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was found about one column in one window."""

    end: str
    column: str
    statistic: str
    value: float
    low: float | None
    high: float | None
    severity: str
    importance: float | None
    slice: str | None
    since: str | None
    text: str
    seq: int

    @property
    def size(self) -> str:
        """How far it moved: "psi 0.296", "nulls 16.9%"."""
        return (
            f"{self.statistic} {self.value:.1%}" if self.statistic in SHARES else f"{self.statistic} {self.value:.3f}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRow:
    """One column over all windows."""

    name: str
    cells: tuple[Cell | None, ...]  # one per window; None: nothing was found
    latest: Cell
    worst: str  # severity
    warned: int  # windows with a WARNING or worse


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """A run of findings about one thing."""

    key: str
    severity: str
    opened_at: str
    last_seen: str
    open: bool
    text: str  # what was found last
    seq: int  # of `episode.opened`


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline."""

    at: str  # ISO time
    what: str  # "first seen", "alert", "decision" ...
    text: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An alert, what led to it and what came of it."""

    number: int  # of the alert, from 1
    title: str
    severity: str
    about: tuple[str, ...]  # keys of its episodes
    moments: tuple[Moment, ...]  # in order
    over: bool  # all of its episodes are closed


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """What people were told; `detent monitor incident NUMBER` tells the whole story."""

    number: int
    at: str
    severity: str
    title: str
    text: str
    rise: bool
    channels: tuple[str, ...]  # that took it
    moments: tuple[Moment, ...]  # how it came about and what came of it; () for those long past
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the loop decided."""

    at: str
    kind: str
    about: str
    text: str
    version: int | None  # that a rollout was about
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One run of the pipeline."""

    run: str
    at: str
    asked_by: str  # cron, drift, quality ...
    seconds: float | None  # wall time of its steps; None while it runs
    verdict: str  # passed | rejected | inconclusive | ""
    version: int | None  # what it became
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand."""

    headline: str
    tone: str  # good | warn | bad | soft
    sentences: tuple[tuple[str, int | None], ...]  # each with the number of its entry in the ledger, if it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReport:
    """Everything on the page. Times are ISO; `seq` is always a number in the ledger."""

    project: str
    endpoint: str
    metric: str  # followed live
    floor: float | None
    champion: int | None  # version that answers
    made_at: str
    start: str  # of the first window shown; "" when no window has ended yet
    end: str  # of the last one
    window_seconds: float
    standing: Standing
    windows: tuple[WindowRow, ...]
    quality: tuple[Measured, ...]  # measured on labels, oldest first
    estimates: tuple[Measured, ...]  # without labels
    coverage: tuple[Measured, ...]  # share of answers whose label is known
    columns: tuple[ColumnRow, ...]  # the worst first
    slices: tuple[Cell, ...]  # the newest findings about parts of the rows
    together: tuple[Measured, ...]  # windows in which columns went together in another way, oldest first
    episodes: tuple[EpisodeRow, ...]  # open ones first, the newest first
    alerts: tuple[AlertRow, ...]  # newest first
    undelivered: tuple[str, ...]  # sentences about alerts that did not arrive
    decisions: tuple[Decision, ...]  # newest first
    trainings: tuple[Training, ...]  # newest first
    events: int  # in the whole ledger
    intact: bool
