"""Open a project: its declaration, its state folder and the parts that every arc of the loop needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detent import project as projects
from detent.bundle.keys import PRIVATE_NAME, load, load_or_create, public_bytes
from detent.data.versions import roots
from detent.errors import Place, ProjectError, RefusedError, TamperedError, did_you_mean
from detent.project.database import VARIABLE, open_state
from detent.project.environment import read_environment
from detent.records.event import Event, Fact
from detent.records.project import PipelineProject, Project
from detent.statistics.names import NAMES
from detent.store import ledger
from detent.store.atomic import unwritable
from detent.store.blobs import Blobs, open_blobs
from detent.store.canonical import digest
from detent.store.clock import Clock, SystemClock, VirtualClock
from detent.store.database import Database, Transaction
from detent.store.migrate import migrate
from detent.store.reading import may_write, open_reading

W = TypeVar("W", bound="PipelineWorkspace")

STATE = ".detent"
# Kinds of checks that name a metric of quality.
QUALITY = ("threshold", "versus", "gap", "each", "worst", "robustness", "permuted")
CREATED = "state.created"  # the first event of a ledger
ROOMS = (
    "detent.store",
    "detent.data",
    "detent.pipeline",
    "detent.gate",
    "detent.registry",
    "detent.serving",
    "detent.rollout",
    "detent.predictions",
    "detent.monitor",
    "detent.trigger",
    "detent.tracking",
)


_RENAMED = "name the database that this state belongs to, if that is another one; "


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open project, whatever may be done with it. `actor` is who appears in the ledger."""

    project: PipelineProject
    state: Path  # the .detent folder
    db: Database
    blobs: Blobs
    clock: Clock
    actor: str
    shared: bool = False  # other hosts may follow the database: DETENT_DATABASE_URL names it

    @property
    def folder(self) -> Path:
        """The project folder."""
        return Path(self.project.folder)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingHost(Opened):
    """An open project on a host that only serves: it can check what was signed, and can sign nothing."""

    project: Project  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen: narrowing it is safe)
    public_key: bytes

    @property
    def model(self) -> str:
        """Name under which versions are registered."""
        return self.project.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineWorkspace(Opened):
    """An open project, with a model or without one, by who holds its key."""

    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """Key that servers check bundles and verdicts with."""
        return public_bytes(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace(PipelineWorkspace):
    """An open project that makes a model."""

    project: Project  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen: narrowing it is safe)

    @property
    def model(self) -> str:
        """Name under which versions are registered: the project's."""
        return self.project.name


def open_workspace(folder: Path, *, clock: Clock | None = None, actor: str | None = None) -> Workspace:
    """Read the project and open its state; both are created when they are new.

    A folder whose loop was simulated goes on in real time: its ledger simply continues.

    Raises:
        ProjectError: `detent.yaml` is wrong, or its gate names a metric that does not exist for the task.
        TamperedError: the state's signing key is gone, or is not the one that the state was begun with.
        StoreError: the state folder can't be written.
    """
    ws = open_unrecorded(folder, clock=clock, actor=actor)
    begin(ws)
    return ws


def open_unrecorded(folder: Path, *, clock: Clock | None = None, actor: str | None = None) -> Workspace:
    """Open a project like `open_workspace`, but write nothing into its ledger; who goes on calls `begin`."""
    project = projects.load(folder)
    check_metrics(project)
    return _open(Workspace, project, clock, actor)


def open_pipeline(folder: Path, *, clock: Clock | None = None, actor: str | None = None) -> PipelineWorkspace:
    """Open a project that may have no model; one that has a `target` is opened as a whole `Workspace`.

    Raises:
        ProjectError: `detent.yaml` is wrong.
        TamperedError: the state's signing key is gone, or is not the one that the state was begun with.
        StoreError: the state folder can't be written.
    """
    project = projects.load_pipeline(folder)
    if isinstance(project, Project):
        check_metrics(project)
        return _open(Workspace, project, clock, actor)
    return _open(PipelineWorkspace, project, clock, actor)


def _open(kind: type[W], project: PipelineProject, clock: Clock | None, actor: str | None) -> W:
    state = Path(project.folder) / STATE
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(state, error) from error
    db = open_state(state / "detent.db")
    migrate(db, ROOMS)
    key = _key(db, state / "keys")
    shared = read_environment().database is not None
    if shared:
        ledger.remember_newest(db)
    ws = kind(
        project=project,  # pyright: ignore[reportArgumentType]  (the caller pairs them)
        state=state,
        db=db,
        blobs=open_blobs(str(state / "blobs")),
        clock=clock or SystemClock(),
        key=key,
        actor=actor or f"cli:{read_environment().user}",
        shared=shared,
    )
    # So that no other project that uses this store collects what this one needs.
    roots.register(state / "blobs", roots.Tenant(id=digest(ws.public_key), name=project.name), SystemClock().now())
    return ws


def begin(ws: PipelineWorkspace) -> None:
    """Write a new state's first event: with which key it was begun. A state that has events is left as it is.

    The key is `observed`: two replays with one seed have two keys and tell the same story.
    """
    if ledger.count_by_kind(ws.db):
        return
    fact = Fact(
        kind=CREATED,
        subject=f"project:{ws.project.name}",
        actor=ws.actor,
        observed={"public_key": ws.public_key.hex()},
    )
    with ws.db.transaction() as tx:
        if not ledger.count_by_kind(tx):  # two commands at once: the first one says it
            ledger.append(tx, fact, ws.now())


def _key(db: Database, folder: Path) -> Ed25519PrivateKey:
    """Return the key that the state was begun with. Only a state without a history may get a new one."""
    kinds, shared = ledger.count_by_kind(db), read_environment().database is not None
    if not kinds and not ledger.anchor_path(db).exists():
        return load_or_create(folder)
    if not kinds:
        raise TamperedError(
            what="the ledger was emptied",
            why=f"the anchor in {folder.parent} remembers events, and the table holds none",
            fix=f"{_RENAMED if shared else ''}restore it from a backup; else begin a new state: move {folder.parent} "
            "away and run again",
            where=Place(file=VARIABLE if shared else str(db.path)),
        )
    if shared and not (folder / PRIVATE_NAME).exists():
        raise _elsewhere(folder)
    key = load(folder)
    if CREATED in kinds and public_bytes(key).hex() != public_key_at_creation(db):
        raise TamperedError(
            what="the signing key is not the one that this state was begun with",
            why="the ledger's first event names another public key; what this key signs is not this state's word",
            fix=f"restore {folder} from a backup; else begin a new state: move {folder.parent} away and run again",
            where=Place(file=str(folder)),
        )
    return key


def public_key_at_creation(db: Database) -> object:
    """Return the key in hex as the first event names it; an event that can't be read names none."""
    try:
        return next(ledger.read(db, kind=CREATED)).observed.get("public_key")
    except (ValueError, AttributeError, StopIteration):  # edited by hand: `detent verify` names the event
        return None


def open_ledger(folder: Path) -> Database:
    """Open a project's database to read its ledger; the project file itself may be broken.

    Raises:
        ProjectError: there is no state in the folder.
    """
    path = folder.resolve() / STATE / "detent.db"
    shared = read_environment().database is not None
    if not shared and not path.is_file():
        raise _no_ledger(f"{path} does not exist")
    writable = shared or (may_write(path) and may_write(path.parent))
    db = open_state(path) if writable else open_reading(path)
    if shared:
        migrate(db, ROOMS)
        if not ledger.count_by_kind(db):
            raise _no_ledger("the database that DETENT_DATABASE_URL names holds no event")
    return db


def _no_ledger(why: str) -> ProjectError:
    return ProjectError(
        what="there is no ledger here",
        why=f"{why}: nothing has happened in this project yet",
        fix="change into the project's folder, or begin with `detent run` or `detent simulate`",
    )


def _elsewhere(folder: Path) -> RefusedError:
    return RefusedError(
        what="this host may not sign for the project",
        why="the database that DETENT_DATABASE_URL names was begun with a key that is not in this state folder",
        fix="do this on the host that has the key; to answer here, use `detent serve`; for a second host that may do "
        "everything, copy the first one's folder `.detent/keys`; for another project, use a database of its own",
        where=Place(file=str(folder)),
    )


def virtual_clock(state: Path, start: datetime) -> VirtualClock:
    """Make the shared clock of a simulation."""
    return VirtualClock(state / "clock", start=start)


def check_metrics(project: Project) -> None:
    """Refuse gate checks and live metrics that don't exist for the project's task.

    Raises:
        ProjectError: with the line of detent.yaml and the metrics that exist.
    """
    known = NAMES[project.target.task]
    wanted = [(check.metric, check.line) for check in project.gate if check.kind in QUALITY and check.code is None]
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
