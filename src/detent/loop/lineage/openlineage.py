"""Tell every sink of lineage what has happened since it was last told. It may be late; it can never fail a run.

What happened is read from the tables, so nothing is lost when a process is killed: the next `emit`, by whichever
process, goes on behind the sink's mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detent.errors import BusyError, DetentError, ProjectError
from detent.loop.happened import verdicts_after
from detent.loop.lineage.executions import RUNNING, executions_of_run, judgement
from detent.loop.workspace import PipelineWorkspace
from detent.project.environment import read_secret
from detent.records.lineage import LineagePlan
from detent.store.clock import iso
from detent.store.database import Database, Row
from detent.store.lock import held_lock
from detent.store.queries import load_queries
from detent.tracking.openlineage import outbox
from detent.tracking.openlineage.events import Message, Scope, events
from detent.tracking.openlineage.outbox import WHOLE_RUN, Standing
from detent.tracking.openlineage.sinks import HttpSink, JsonLines, Sink

PATIENCE = 5.0  # seconds that telling may take at the end of a run; the rest is told the next time
_LARGEST = 200  # events between two marks
_SLOW = 0.2  # seconds; a sink that takes longer for some events gets the next one alone, so that time is kept to
_PAGE = 50  # runs that are read at once
_SQL = load_queries("detent.loop.lineage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of telling one sink."""

    sink: str
    told: int  # events that it took just now
    late: bool = False  # True: there is more to tell, and the next time will do (time is up, or another process tells)
    error: str = ""  # why it took no more; "" when nothing went wrong


def emit(ws: PipelineWorkspace, *, seconds: float = PATIENCE, force: bool = False) -> tuple[Delivery, ...]:
    """Tell every sink what it does not know yet, for about `seconds` at most, and return what became of it.

    It never raises: lineage is a copy, and a copy must not fail what it copies. A sink that failed is left alone for a
    while, unless `force`.
    """
    until = time.monotonic() + seconds
    try:
        opened = _sinks(ws)
    except Exception as error:  # noqa: BLE001  (whatever is wrong with lineage, the run goes on)
        return (Delivery(sink="lineage", told=0, error=_text(error)),)
    return tuple(_tell(ws, open_sink, name, until=until, force=force) for name, open_sink in opened)


def lineage_folder(state: Path) -> Path:
    """Return where `events.jsonl` lies, and `refused.jsonl` with what servers refused."""
    return state / "lineage"


def _sinks(ws: PipelineWorkspace) -> list[tuple[str, Callable[[], Sink]]]:
    plan = ws.project.lineage
    found: list[tuple[str, Callable[[], Sink]]] = [("file", lambda: JsonLines(lineage_folder(ws.state)))]
    if plan.url is not None:
        found.append(("http", lambda: _http(plan)))
    return found


def _http(plan: LineagePlan) -> HttpSink:
    secret = read_secret(plan.secret) if plan.secret else None
    if plan.secret and secret is None:
        raise ProjectError(
            what=f"the secret `{plan.secret}` is not there",
            why="`lineage` in detent.yaml names it, and the environment has no such variable",
            fix=f"export {plan.secret}=... before starting detent",
        )
    return HttpSink(plan.url or "", secret=secret)


def _tell(ws: PipelineWorkspace, open_sink: Callable[[], Sink], name: str, *, until: float, force: bool) -> Delivery:
    try:
        sink = open_sink()
        teller = _Teller(ws, sink, until)
        name = sink.name
        with held_lock(
            lineage_folder(ws.state) / f"{sink.name.replace(' ', '-')}.lock",
            what="lineage is being told by another process",
            why="process {pid} does it",
            fix="wait until it has ended",
        ):
            return teller.tell(force=force)
    except BusyError:
        return Delivery(sink=name, told=0, late=True)
    except Exception as error:  # noqa: BLE001  (whatever is wrong with lineage, the run goes on)
        return Delivery(sink=name, told=0, error=_text(error))


class _Teller:
    """One sink being told, from its mark on."""

    def __init__(self, ws: PipelineWorkspace, sink: Sink, until: float) -> None:
        self._ws, self._db, self._sink, self._until = ws, ws.db, sink, until
        self._now = Standing(sink=sink.name)
        self._chunk = sink.at_once

    def tell(self, *, force: bool) -> Delivery:
        """Tell runs, then verdicts, until all is told, time is up, or the sink fails."""
        self._now = before = outbox.standing(self._db, self._sink.name)
        if before.retry_at > iso(self._ws.now()) and not force:
            return Delivery(sink=self._sink.name, told=0, late=True, error=before.error)
        first = self._db.row(_SQL["first_event"])
        if first is None:
            return Delivery(sink=self._sink.name, told=0)
        scope = Scope(project=self._ws.project.name, state=first["hash"])
        try:
            done = self._tell_runs(scope) and self._tell_verdicts(scope)
        except BusyError:
            raise
        except Exception as error:  # noqa: BLE001  (a row that can't be read is no reason to fail a run either)
            with self._db.transaction() as tx:
                outbox.mark_failure(tx, self._now, _text(error), self._ws.now())
            return Delivery(sink=self._sink.name, told=self._now.told - before.told, late=True, error=_text(error))
        return Delivery(sink=self._sink.name, told=self._now.told - before.told, late=not done)

    def _tell_runs(self, scope: Scope) -> bool:
        """Tell every run; False when time is up."""
        told = outbox.told(self._db, self._sink.name)
        behind = False  # an earlier run still goes on
        for run in _runs_after(self._db, self._now.runs):
            known = told.get(run["seq"], set())
            if WHOLE_RUN not in known and not self._tell_run(run, known, scope):
                return False
            if run["state"] == RUNNING:
                behind = True
            elif WHOLE_RUN not in known or not behind:
                with self._db.transaction() as tx:
                    self._now = outbox.mark_run(tx, self._now, run["seq"], first_open=not behind)
        return True

    def _tell_run(self, run: Row, known: set[str], scope: Scope) -> bool:
        messages = [
            message
            for execution in executions_of_run(self._db, run)
            for message in events(execution, scope)
            if message.id not in known
        ]
        while messages:
            began = time.monotonic()
            if began > self._until:
                return False
            chunk, messages = messages[: self._chunk], messages[self._chunk :]
            refused = self._send(chunk)
            with self._db.transaction() as tx:
                ids = [message.id for message in chunk]
                self._now = outbox.mark_events(tx, self._now, run["seq"], ids, refused=refused)
            fast = time.monotonic() - began < _SLOW
            self._chunk = min(2 * self._chunk, _LARGEST) if fast else 1
        return True

    def _tell_verdicts(self, scope: Scope) -> bool:
        pipeline = self._ws.project.pipeline.rpartition(":")[2]
        for event in verdicts_after(self._db, self._now.ledger):
            if time.monotonic() > self._until:
                return False
            messages = events(judgement(self._db, event, model=self._ws.project.name, pipeline=pipeline), scope)
            refused = self._send(messages)
            with self._db.transaction() as tx:
                self._now = outbox.mark_ledger(tx, self._now, event.seq, len(messages), refused=refused)
        return True

    def _send(self, messages: Sequence[Message]) -> int:
        """Hand events over; those that are refused for good are kept aside. Return how many that were."""
        refused = self._sink.send(messages)
        if refused:
            aside = [
                {"sink": self._sink.name, "why": refused[message.id], "event": message.body}
                for message in messages
                if message.id in refused
            ]
            JsonLines(lineage_folder(self._ws.state), stem="refused").append(aside)
        return len(refused)


def _runs_after(db: Database, seq: int) -> Iterator[Row]:
    while page := db.rows(_SQL["runs_after"], seq=seq, limit=_PAGE):
        yield from page
        seq = page[-1]["seq"]


def _text(error: Exception) -> str:
    return f"{error.what}: {error.why}" if isinstance(error, DetentError) else f"{type(error).__name__}: {error}"
