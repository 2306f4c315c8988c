"""What was made from what: as a graph for people, and as executions for lineage servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing of the graph."""

    id: str  # "version:shop/3", "bundle:<digest>", "run:run-0003", "step:run-0003/train", "snapshot:orders@<digest>"
    kind: str  # dataset | snapshot | run | step | bundle | verdict | version | alias | endpoint
    label: str  # what people call it
    facts: Mapping[str, object] = field(default_factory=dict)  # JSON; absent what is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`downstream` was made from, or moved to, `upstream`."""

    upstream: str  # node id
    downstream: str  # node id
    role: str  # "model", a parameter's name, "champion" ...; "" when there is nothing to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """All that stands above or below one thing."""

    root: str  # node id
    direction: str  # up | down
    nodes: Mapping[str, Node]  # by id
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineagePlan:
    """Where lineage goes besides the file in the state folder."""

    url: str | None = None  # of an OpenLineage server: "http://marquez:5000"; its path is /api/v1/lineage by default
    secret: str | None = None  # name of an environment variable that holds a token; never the token


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The project's code in version control when a run began."""

    commit: str  # git sha
    dirty: bool  # True: Python files or detent.yaml differed from the commit
    branch: str = ""
    repository: str = ""  # URL without credentials; "" when there is no remote
    path: str = ""  # of the project folder inside the repository


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetUse:
    """A dataset, or a step's output, in one version."""

    name: str
    digest: str  # sha256 of the contents
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    columns: tuple[tuple[str, str], ...] = ()  # (name, type)
    source: str = ""  # where the bytes came from, as declared
    assertions: tuple[tuple[str, bool], ...] = ()  # (what was asked of it, whether it held)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """How a step came by its result."""

    key: str
    hit: bool
    reason: str  # what changed, or "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A run, a step of a run, or a judgement, as lineage servers are told of it."""

    id: str  # unique in the project's state: "run-0003", "run-0003/train", "run-0003/train[4]"
    job: str  # "retrain", "retrain.train"
    kind: str  # PIPELINE | STEP | GATE
    parent: tuple[str, str] | None  # (id, job) of the run that it belongs to
    state: str  # running | succeeded | failed | aborted
    started_at: str  # ISO time
    ended_at: str = ""  # ISO time; "" while it runs
    inputs: tuple[DatasetUse, ...] = ()
    outputs: tuple[DatasetUse, ...] = ()
    cache: CacheUse | None = None
    error: str = ""
    variables: tuple[str, ...] = ()  # names of environment variables that it read
    checkout: Checkout | None = None
    file: str = ""  # that holds its code, relative to the project folder
