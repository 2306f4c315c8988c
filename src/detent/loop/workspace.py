"""Open a project: its declaration, its state folder and the parts that every arc of the loop needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent import project as projects
from detent.bundle.keys import load_or_create, public_bytes
from detent.errors import Place, ProjectError, did_you_mean
from detent.project.environment import read_environment
from detent.records.event import Event, Fact
from detent.records.project import Project
from detent.statistics.metrics import METRICS
from detent.store import ledger
from detent.store.blobs import Blobs, open_blobs
from detent.store.clock import Clock, SystemClock, VirtualClock
from detent.store.database import Database, Transaction, open_database
from detent.store.migrate import migrate

STATE = ".detent"
ROOMS = (
    "detent.store",
    "detent.data",
    "detent.pipeline",
    "detent.gate",
    "detent.registry",
    "detent.rollout",
    "detent.predictions",
    "detent.monitor",
    "detent.trigger",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """An open project. `actor` is who appears in the ledger."""

    project: Project
    state: Path  # the .detent folder
    db: Database
    blobs: Blobs
    clock: Clock
    key: Ed25519PrivateKey
    actor: str

    @property
    def folder(self) -> Path:
        """The project folder."""
        return Path(self.project.folder)

    @property
    def model(self) -> str:
        """Name under which versions are registered: the project's."""
        return self.project.name

    @property
    def public_key(self) -> bytes:
        """Key that servers check bundles and verdicts with."""
        return public_bytes(self.key)

    def now(self) -> datetime:
        """The present moment of this workspace's clock."""
        return self.clock.now()

    @contextmanager
    def recording(self, fact: Fact) -> Iterator[Transaction]:
        """Give a transaction whose changes are stored together with the fact that describes them."""
        with self.db.transaction() as tx:
            yield tx
            ledger.append(tx, fact, self.now())

    def record(self, fact: Fact) -> Event:
        """Write a fact that changes nothing else."""
        with self.db.transaction() as tx:
            return ledger.append(tx, fact, self.now())


def open_workspace(folder: Path, *, clock: Clock | None = None, actor: str | None = None) -> Workspace:
    """Read the project and open its state; both are created when they are new.

    A folder whose loop was simulated goes on in real time: its ledger simply continues.

    Raises:
        ProjectError: `detent.yaml` is wrong, or its gate names a metric that does not exist for the task.
    """
    project = projects.load(folder)
    check_metrics(project)
    state = Path(project.folder) / STATE
    state.mkdir(parents=True, exist_ok=True)
    db = open_database(state / "detent.db")
    migrate(db, ROOMS)
    return Workspace(
        project=project,
        state=state,
        db=db,
        blobs=open_blobs(str(state / "blobs")),
        clock=clock or SystemClock(),
        key=load_or_create(state / "keys"),
        actor=actor or f"cli:{read_environment().user}",
    )


def open_ledger(folder: Path) -> Database:
    """Open a project's database to read its ledger; the project file itself may be broken.

    Raises:
        ProjectError: there is no state in the folder.
    """
    path = folder / STATE / "detent.db"
    if not path.is_file():
        raise ProjectError(
            what="there is no ledger here",
            why=f"{path} does not exist: nothing has happened in this project yet",
            fix="change into the project's folder, or begin with `detent run` or `detent simulate`",
        )
    return open_database(path)


def virtual_clock(state: Path, start: datetime) -> VirtualClock:
    """Make the shared clock of a simulation."""
    return VirtualClock(state / "clock", start=start)


def check_metrics(project: Project) -> None:
    """Refuse gate checks and live metrics that don't exist for the project's task.

    Raises:
        ProjectError: with the line of detent.yaml and the metrics that exist.
    """
    known = tuple(sorted(name for name, metric in METRICS.items() if metric.task == project.target.task))
    wanted = [(check.metric, check.line) for check in project.gate if check.kind in ("threshold", "versus", "gap")]
    for name, line in [*wanted, (project.monitor.quality, None)]:
        if name not in known:
            raise ProjectError(
                what=f"`{name}` is no metric of a {project.target.task} model",
                why="the gate and the monitor measure by name",
                fix=did_you_mean(name, known),
                where=Place(file="detent.yaml", line=line, field="gate" if line else "monitor.quality"),
            )
    latencies = ("latency_p50", "latency_p95", "latency_p99")
    for check in project.gate:
        if check.kind == "latency" and check.metric not in latencies:
            raise ProjectError(
                what=f"`{check.metric}` is no latency",
                why="latency is judged at a percentile",
                fix=did_you_mean(check.metric, latencies),
                where=Place(file="detent.yaml", line=check.line, field="gate"),
            )
