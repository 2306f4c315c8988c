"""What a user declares in `detent.yaml`, decoded and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from detent.records.check import Check
from detent.records.expectation import FAIL, Expectation, Suite
from detent.records.lineage import LineagePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How a change of a source outside the project folder is noticed."""

    kind: str  # "etag": what the server says of the object | "ttl": by time | "probe": a value that is asked for
    ttl: timedelta | None = None
    probe: str | None = None  # "file.py:name" of a function without arguments, or for an SQL source a SELECT
    or_last: bool = False  # when the source can't be reached, the rows that were read last may be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One dataset of the project."""

    name: str
    source: str  # path relative to the project folder, or a URL, of Parquet or CSV; "sql:NAME" for an SQL source
    time: str | None  # column that says when a row became known (UTC); None: always known
    key: str | None  # column that names a row
    contract: str | None  # "file.py:Name" of a Pandera schema
    line: int  # where it stands in detent.yaml
    contract_severity: str = FAIL  # "fail" | "warn": what a broken contract is
    sql: str | None = None  # SELECT of an SQL source
    connection: str | None = None  # name of the environment variable that holds its SQLAlchemy URL; never the URL
    changes: Changes | None = None  # declared for every source outside; a file of the project is looked at itself
    expect: tuple[Expectation | Suite, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the model predicts and when the truth arrives."""

    data: str  # dataset that holds the label
    column: str
    known_at: str | None  # column with the time at which the label is known; None: the dataset's own time column
    task: str  # "binary" | "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The one function that makes features for training and for requests."""

    function: str  # "file.py:name"; takes datasets by name, returns one row per row of `rows`, in order
    rows: str  # dataset whose rows are predicted; its key and time identify a prediction
    entity: str | None  # feature column that keeps a caller on one arm; None: the key


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How predictions are answered."""

    endpoint: str
    fallback: str  # "previous" | "none": who answers when the chosen version fails
    workers: int  # processes; 0 means one per core
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a rollout."""

    name: str  # "shadow" or the weight as written, such as "5%"
    weight: int  # share of traffic in basis points (0 for shadow, 10_000 for all)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """Stages a version climbs, and what each stage needs before the next one."""

    stages: tuple[Stage, ...]
    min_requests: int  # answers by the new version in a stage before it may advance
    min_time: timedelta
    max_time: timedelta  # a stage that lasts longer is inconclusive: it is called back, never promoted
    alpha: float  # bound on the chance of ever rolling back a version that is no worse


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPlan:
    """What is watched, over which window."""

    window: timedelta
    labels_within: timedelta  # a window's quality is judged once it is this old, or once most labels are in
    quality: str  # metric followed live, such as "roc_auc"
    floor: float | None  # measured quality below it, by its upper bound, is CRITICAL
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where alerts go."""

    kind: str  # "log" | "webhook" | a plug-in's name
    url: str | None  # for a webhook
    secret: str | None  # name of an environment variable that holds a token; never the token


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPlan:
    """What may start a retraining, and how often at most."""

    cron: str | None
    drift: str | None  # "warning" | "critical": least severity of a drift finding that asks for a retraining
    quality: str | None  # the same for quality findings
    new_rows: int | None  # labelled rows since the last training
    cooldown: timedelta
    budget: int  # retrainings ...
    budget_period: timedelta  # ... per this period


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """How `detent simulate` replays history. Every value has a default, so the section is optional."""

    start: str | None  # ISO date of the first live day; None: after the first 20 % of the history
    until: str | None  # ISO date after the last live day; None: the end of the data
    sample: float  # share of rows predicted over HTTP (0..1], chosen by a hash of the key
    seed: int
    sabotage: tuple[tuple[str, str], ...]  # (kind, ISO date) of each known-bad candidate; () spreads every kind
    expect: tuple[str, ...]  # kinds ("a" or "a or b") that must be in the ledger at the end, sabotage's left out


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineProject:
    """A project that has a pipeline; without a target, steps and data are all there is."""

    name: str
    folder: str  # absolute path
    pipeline: str  # "file.py:function"
    params: tuple[tuple[str, object], ...]
    data: tuple[Source, ...]
    target: Target | None = None  # what the model predicts; None: the pipeline makes no model
    lineage: LineagePlan = field(default_factory=LineagePlan)  # where lineage goes besides the file in the state

    def source(self, name: str) -> Source:
        """Return the dataset called `name` (it exists: the decoder checked every reference)."""
        return next(source for source in self.data if source.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(PipelineProject):
    """A whole project, from data to the watched model: the product of `project.load`."""

    target: Target  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]  (always there)
    features: Features
    gate: tuple[Check, ...]
    serving: Serving
    rollout: RolloutPlan
    monitor: MonitorPlan
    trigger: TriggerPlan
    simulate: SimulationPlan
    policy_digest: str  # digest of the gate section: what a verdict is bound to
