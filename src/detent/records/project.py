"""What a user declares in `detent.yaml`, decoded and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from detent.records.check import Check
from detent.records.cost import Prices
from detent.records.expectation import FAIL, Expectation, Suite
from detent.records.front import Front
from detent.records.lineage import LineagePlan
from detent.records.log import LogPlan


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
    task: str  # "binary" | "regression" | "multiclass"
    group: str | None = None  # column that names the list a row belongs to, for metrics of rankings
    series: str | None = None  # column that names the series a row belongs to, for metrics of forecasts
    season: timedelta | None = None  # length of the cycle that a forecast is compared with; None: no forecast
    classes: tuple[str, ...] = ()  # of a multiclass task, sorted


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
    log: LogPlan = field(default_factory=LogPlan)
    front: Front = field(default_factory=Front)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a rollout."""

    name: str  # "shadow" or the weight as written, such as "5%"
    weight: int  # share of traffic in basis points (0 for shadow, 10_000 for all)
    lasts: timedelta | None = None  # "99% for 24h": at least so long instead of the plan's min_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What must be shown before a version gets all traffic: each metric passes by its ratio or by its cap."""

    alpha: float = 0.05  # bound on the chance of passing a metric that does not deserve it
    ratio: float = 1.5  # "not this many times as often as the champion"
    failures: float = 0.005  # or: "fails on less than this share of requests"
    slow: float = 0.005  # the same for answers beyond the limit
    slower: float = 0.1  # the same for answers slower than the champion's p95 (its own share is about 5 %)
    loss: float | None = None  # mean loss may be higher by at most this; None: promotion does not wait for labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """How an A/B test or a bandit splits traffic and when it ends."""

    split: int = 5000  # basis points that the candidates of an A/B test share equally
    lasts: timedelta = timedelta(days=14)
    reward: str = "loss"  # "loss": minus the loss against the label; "label": the label itself
    every: timedelta = timedelta(minutes=10)  # a bandit changes weights at most this often
    min_rewards: int = 100  # matured rewards per arm before the first change
    floor: float = 0.05  # least share of each arm
    half_life: timedelta = timedelta(days=7)  # age at which a reward counts half


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """Stages a version climbs, and what each stage needs before the next one."""

    stages: tuple[Stage, ...]
    min_requests: int  # answers by the new version in a stage before it may advance
    min_time: timedelta
    max_time: timedelta  # a stage that lasts longer is inconclusive: it is never promoted
    alpha: float  # bound on the chance of ever rolling back a version that is no worse
    kind: str = "canary"  # canary | blue_green | ab | bandit
    on_timeout: str = "hold"  # "hold": keep the weight and warn; "rollback"
    min_entities: int = 30  # distinct callers of the new version in a stage before it may advance
    tolerated: float = 1.25  # how many times as often as the champion the candidate may do badly
    slow: timedelta | None = None  # service time beyond which an answer is bad; None: no limit is known
    slower: float | None = 1.0  # an answer above the champion's p95 times this is bad; None: not judged
    proof: Proof = field(default_factory=Proof)
    experiment: Experiment = field(default_factory=Experiment)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPlan:
    """How drift is looked for: how often chance may alarm, and what change matters."""

    false_alarms: float = 1.0  # alarm days per 30 days that chance alone may cause, for one model, on average at most
    scales: tuple[int, ...] = ()  # windows that are looked at together; (): days and weeks, else 1, 4 and 16
    correction: str = "bh"  # for looking at many columns: bh | by | bonferroni (the last two whatever their dependence)
    psi: float = 0.1  # from these on, by the lower bound, a change matters: population stability index,
    wasserstein: float = 0.1  # ... way that the values moved, in interquartile ranges of the training data,
    nulls: float = 0.02  # ... and share of rows that are missing or new, more or less than in training
    seasonal: str = "auto"  # "auto": with the same hours of the week where the reference has them | "off"
    slices: tuple[str, ...] = ()  # columns whose levels are looked at one by one
    keep_rows: int = 10_000  # training rows that are kept for exact tests; 0: none
    embeddings: tuple[str, ...] = ()  # beginnings of names: number inputs that are one vector, compared as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """One place that labels are fetched from."""

    source: str  # file relative to the project folder (Parquet or CSV); "sql:SELECT ..."; "kafka:TOPIC"
    field: str  # what its rows are named by: "id" (of a prediction) or "request" (what the caller called its request)
    name: str  # column with the names
    value: str = "label"  # column with the truth; null: not known yet
    at: str | None = None  # column with the time at which it was known; None: when we read it
    every: timedelta = timedelta(hours=1)  # it is read at most this often
    connection: str | None = None  # name of the environment variable with a query's SQLAlchemy URL, or Kafka's settings
    servers: str | None = None  # of Kafka, "host:port,host:port"; None: they are among the settings
    group: str | None = None  # of Kafka: under which the offsets are kept; None: "detent-TOPIC"
    settings: tuple[tuple[str, str], ...] = ()  # of Kafka, by librdkafka's names
    secrets: tuple[tuple[str, str], ...] = ()  # of Kafka: librdkafka's name -> environment variable with the value


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """What holds for all lines of the gate section."""

    alpha: float = 0.05  # chance of a wrong pass that a line without `at NN%` may take
    cluster: str | None = None  # column of the evaluation rows that share their fate: whole groups are resampled
    expect: tuple[tuple[str, tuple[str, ...]], ...] = ()  # levels of a column that must be among the evaluation rows
    min_slice: int = 200  # rows: of a smaller slice nothing is concluded


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPlan:
    """What is watched, over which window."""

    window: timedelta
    labels_within: timedelta  # a window's quality is judged once it is this old, or once most labels are in
    quality: str  # metric followed live, such as "roc_auc"
    floor: float | None  # measured quality below it, by its upper bound, is CRITICAL
    channels: tuple[Channel, ...]
    drift: DriftPlan = field(default_factory=DriftPlan)
    stale_after: int = 3  # windows without a look after which the monitor itself is news
    labels: tuple[LabelSource, ...] = ()  # besides what callers send to /feedback
    concept: str = "edetector"  # plug-in that follows the loss of each answer
    tolerance: float = 0.1  # how much more loss than at the gate is accepted, as a share of it
    audit: int = 0  # answers a day that people are asked about; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where alerts go."""

    kind: str  # "log" | "webhook" | "slack" | "email" | "alertmanager" | a plug-in's name
    url: str | None  # for a webhook and an Alertmanager
    secret: str | None  # name of an environment variable that holds a token or a password; never the token
    url_secret: str | None = None  # the same for a URL that is a secret as a whole
    host: str = ""  # of a mail server; with port, sender, recipients
    port: int = 0
    sender: str = ""
    to: tuple[str, ...] = ()
    user: str | None = None  # who logs in there; None: nobody does
    security: str = "starttls"  # "starttls" | "tls" | "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """How many requests may fail, and how fast that may be used up."""

    errors: float  # share of requests that may fail
    burn: float = 14.4  # so many times as fast is an alarm (14.4 in one hour: 2 % of a month's errors)
    over: timedelta = timedelta(hours=1)  # looked at over this span, and over a twelfth of it


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
    webhooks: tuple[str, ...] = ()  # names under POST /v1/triggers/ that may be called
    slo: Slo | None = None
    money: float | None = None  # what trainings may cost in one budget period, in the currency of `prices`
    new_labels: int = 0  # labelled rows without which nothing is trained again, whoever asks
    challenger: bool = True  # drift is first answered by a cheap model on recent rows
    fallback: bool = True  # the version before may be given the traffic back without asking anybody
    ask_after: int = 2  # refused candidates of one episode after which a human is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationPlan:
    """How `detent simulate` replays history. Every value has a default, so the section is optional."""

    start: str | None  # ISO date of the first live day; None: after the first 20 % of the history
    until: str | None  # ISO date after the last live day; None: the end of the data
    sample: float  # share of rows predicted over HTTP (0..1], chosen by a hash of the key
    seed: int
    sabotage: tuple[tuple[str, str], ...]  # (kind, ISO date) of each known-bad candidate; () spreads every kind
    expect: tuple[str, ...]  # kinds ("a" or "a or b") that must be in the ledger at the end, sabotage's left out


PLAIN_TYPES = ("collections.OrderedDict",)  # of Python's own types, those that are data and that models hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What models from elsewhere may do beyond being data. Nothing is trusted unless it is named here."""

    types: tuple[str, ...] = ()  # classes that a skops file may make: "lightgbm.sklearn.LGBMClassifier"
    pickles: tuple[str, ...] = ()  # sha256 of pickles and pyfunc folders that may run, in a process of their own
    remotes: tuple[str, ...] = ()  # addresses of servers that may answer for a version: "http://10.0.0.7:8000"
    deadline: float = 30.0  # seconds that one call of such a model may take
    memory: int = 4 << 30  # bytes of address space of its process


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
    gate_plan: GatePlan = field(default_factory=GatePlan)
    trust: Trust = field(default_factory=Trust)  # what models from elsewhere may do
    prices: Prices = field(default_factory=Prices)
