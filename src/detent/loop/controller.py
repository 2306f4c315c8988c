"""The one who turns the wheel: at each tick, look at windows, decide about rollouts and retrainings, and act.

Everything it knows is in the database, so a controller that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from detent.errors import BusyError, DetentError, StoreError
from detent.loop.alerts.channels import send_due
from detent.loop.champion import champion_version
from detent.loop.expire import tend
from detent.loop.hosts.heard import Heard
from detent.loop.hosts.taking import Taking
from detent.loop.judging.waivers import note_expired
from detent.loop.labelling.label_audit import ask
from detent.loop.labelling.label_faults import unread
from detent.loop.labelling.labels import collect
from detent.loop.labelling.streams import Streams
from detent.loop.lineage.openlineage import emit
from detent.loop.releases.evidence import Evidence
from detent.loop.releases.release import advance, keep_route, release
from detent.loop.releases.traffic import Gateway
from detent.loop.runs.mirror import mirror_aliases
from detent.loop.train import Outcome, train
from detent.loop.triggers.act import Hands, Held, turn
from detent.loop.triggers.burn import SloWatch
from detent.loop.watching.drift import Known
from detent.loop.watching.quality import judge_due
from detent.loop.watching.watch import watch, watch_again, windows_in_turn
from detent.loop.workspace import Workspace
from detent.pipeline.executors.protocol import Executor
from detent.records.event import Fact
from detent.records.finding import Finding
from detent.records.rollout import INCONCLUSIVE, ROUTING_BROKEN, RUNNING, Rollout
from detent.records.run import RunRequest
from detent.rollout import store as rollouts
from detent.trigger import store as triggers

Tell = Callable[[str], None]  # shows one line to whoever watches


class Train(Protocol):
    """Whatever makes a candidate, judges it, and registers it if the gate lets it in."""

    def __call__(self, ws: Workspace, request: RunRequest, *, executor: Executor) -> Outcome:
        """Return what became of it; a DetentError leaves everything as it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a controller reaches beyond the state folder. A simulation hands in others."""

    train: Train = train
    send: Callable[[Workspace], object] = send_due  # alerts, to people
    mirror: Callable[[Workspace], object] = mirror_aliases  # aliases, to MLflow
    lineage: Callable[[Workspace], object] = emit


class Controller:
    """One controller of one project. Two of them do no harm: each state change is guarded in its transaction."""

    def __init__(
        self,
        ws: Workspace,
        gateway: Gateway,
        executor: Executor,
        *,
        tell: Tell,
        sends: bool = True,
        outside: Outside = Outside(),
    ) -> None:
        """`sends`: alerts go out within the tick; False: somebody else sends them (`Telling`)."""
        self._sends, self._outside = sends, outside
        self._ws, self._gateway, self._executor, self._tell = ws, gateway, executor, tell
        self._last_fault = ""
        self._evidence = Evidence()
        self._known: Known = {}
        self._slo = SloWatch()
        self._taking = Taking(ws, tell=tell) if ws.shared else None
        self._heard: Heard | None = None
        self._streams = Streams()
        self._silent = ""
        self._alarms: set[tuple[str, str, str]] = set()
        self._unread: set[str] = set()

    def tick(self) -> None:
        """Do everything that is due now. A part that fails keeps none of the others from being done.

        Raises:
            DetentError: the first failure, after all the rest was done; at once when the store is busy or away.
        """
        faults = _Faults()
        findings = [one for one in self._look(faults) if self._is_news(one)]
        hands = Hands(gateway=self._gateway, train=self.retrain, tell=self._tell, mirror=self._outside.mirror)
        with faults.kept():
            turn(self._ws, findings, hands, slo=self._slo)
        faults.raise_first()

    def _is_news(self, finding: Finding) -> bool:
        """False for what is said of a version that a better one has replaced: it is told, and no reason to train."""
        champion = champion_version(self._ws)
        return finding.version is None or champion is None or finding.version == champion.number

    def look(self) -> list[Finding]:
        """Take a decision about the rollout, judge the windows that are due, send alerts; return what was found.

        Raises:
            DetentError: as `tick`.
        """
        faults = _Faults()
        findings = self._look(faults)
        faults.raise_first()
        return findings

    def _look(self, faults: _Faults) -> list[Finding]:
        ws, findings = self._ws, list[Finding]()

        def watched() -> None:
            for window in windows_in_turn(ws, self._heard):
                lacking = () if self._heard is None else self._heard.lacking(window.end, window.start)
                findings.extend(watch(ws, window, known=self._known, lacking=lacking))
            if self._heard is not None:
                watch_again(ws, self._heard)

        parts: list[Callable[[], object]] = [
            self.take,
            self.look_at_rollout,
            lambda: note_expired(ws),
            self._collect_labels,
            lambda: ask(ws),
            watched,
            lambda: findings.extend(judge_due(ws, self._heard)),
            lambda: tend(ws),
            lambda: self._outside.send(ws) if self._sends else None,
            lambda: self._outside.lineage(ws),
        ]
        for part in parts:
            with faults.kept():
                part()
        return findings

    def tick_safely(self) -> None:
        """Tick; what goes wrong is said and written down, and the next tick tries again."""
        try:
            self.tick()
        except DetentError as error:
            if self._last_fault != error.what:
                self._last_fault = error.what
                self._tell(f"this look failed: {error.what} ({error.why})")
                fact = Fact(
                    kind="controller.failed",
                    subject=f"project:{self._ws.project.name}",
                    actor=self._ws.actor,
                    payload={"error": error.what, "why": error.why},
                )
                with suppress(DetentError):  # it may be the database that is away
                    self._ws.record(fact)

    def _collect_labels(self) -> None:
        """Fetch what is due, and show once what can't be read."""
        collect(self._ws, self._streams)
        before, self._unread = self._unread, set(unread(self._ws))
        for fault in sorted(self._unread - before):
            self._tell(fault)

    def take(self) -> None:
        """Take what other hosts have answered into the log that all decisions are made from."""
        if self._taking is None:
            return
        self._heard = self._taking.take()
        if self._heard.late:  # what was counted up to now may lack them
            self._evidence = Evidence()
            self._known.clear()
        silent = ", ".join(self._heard.silent)
        if silent and silent != self._silent:
            self._tell(f"no version gets more traffic: {silent} answers, and sends nothing of it")
        self._silent = silent

    def look_at_rollout(self) -> None:
        """Take one decision about the running rollout, if there is one; keep the route as it was decided."""
        keep_route(self._ws, self._gateway)
        before = rollouts.current(self._ws.db, self._ws.project.serving.endpoint)
        if before is None:
            return
        after = advance(self._ws, self._gateway, self._evidence, forward=not self._silent)
        if after is not None and (after.state, after.stage, after.arms) != (before.state, before.stage, before.arms):
            self._tell(after.reason)
            if after.state != before.state:
                self._outside.mirror(self._ws)
        if after is not None:
            self._tell_alarms(after)

    def _tell_alarms(self, rollout: Rollout) -> None:
        """Show once per stage what needs a person: with or without channels, somebody may be watching."""
        alarms = {
            (rollout.id, rollout.stage_since, alarm)
            for alarm in (INCONCLUSIVE, ROUTING_BROKEN)
            if rollout.state == RUNNING and rollouts.alarm_told(self._ws.db, rollout, alarm)
        }
        if alarms - self._alarms:
            self._tell(rollout.reason)
        self._alarms = alarms

    def retrain(self, request: RunRequest, held: Held | None = None) -> Outcome | None:
        """Train, and roll the candidate out if the gate lets it in. A failed training leaves everything as it is.

        `held` says whether nobody else may train meanwhile; whoever lost that right rolls nothing out.
        """
        ws = self._ws
        self._tell(f"training ({request.reason}): {request.detail}")
        try:
            outcome = self._outside.train(ws, request, executor=self._executor)
        except DetentError as error:
            self._tell(f"training failed: {error.what}")
            return None
        if outcome.verdict is None:
            self._tell("training failed: a step of the pipeline raised; see the run's log")
            return outcome
        if outcome.judged_in is not None:
            self._tell(f"nothing changed since {outcome.judged_in}: {outcome.verdict.reason}")
            return outcome
        if held is not None and not held():
            self._tell("another controller has taken over; this candidate is not rolled out")
            return outcome
        with ws.db.transaction() as tx:
            triggers.training_judged(tx, ws.model, passed=outcome.version is not None)
        if outcome.version is None:
            self._tell(f"refused: {outcome.verdict.reason}")
            return outcome
        self._tell(f"version {outcome.version.number} passed the gate")
        self.roll_out(outcome.version.number, reason=f"{request.reason}: {request.detail}")
        return outcome

    def roll_out(self, number: int, *, reason: str, hotfix: bool = False) -> Rollout:
        """Start a version's way to all traffic; a hotfix skips the shadow stage."""
        rollout = release(self._ws, self._gateway, number, reason=reason, hotfix=hotfix)
        if rollout.state != "running":
            self._tell(rollout.reason)
        self._outside.mirror(self._ws)
        return rollout


class _Faults:
    """What went wrong in one look."""

    def __init__(self) -> None:
        self._found: list[DetentError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep a fault for later. Without the store nothing can be done, so that one is raised at once."""
        try:
            yield
        except (BusyError, StoreError):
            raise
        except DetentError as error:
            self._found.append(error)

    def raise_first(self) -> None:
        """Raise the first fault, if there was one."""
        if self._found:
            raise self._found[0]
