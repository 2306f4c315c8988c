"""Lives of processes: a controller, and a serving process, built from the state folder as after a start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from detent.bundle.keys import load
from detent.loop.controller import Controller, Outside
from detent.loop.servers.keep_up import keep_up
from detent.loop.train import Outcome, begin_run
from detent.loop.workspace import Workspace
from detent.pipeline import LocalExecutor
from detent.pipeline.executors.protocol import Executor
from detent.records.prediction import Label
from detent.records.run import RunRequest
from detent.serving.http import feedback
from detent.testing.sim.callers import Callers, Sent, body_of, stored
from detent.testing.sim.people import send_through
from detent.testing.sim.ports import PortedBlobs, PortedDatabase, PortedGateway
from detent.testing.sim.process import Process
from detent.testing.sim.serving import ServingProcess
from detent.testing.sim.week import Week

_IDLE = LocalExecutor(workers=1)  # no task is ever given to it


class ControllerLife:
    """One life of a controller."""

    def __init__(self, week: Week, process: Process, follow: Callable[[Sequence[int]], Mapping[int, str]]) -> None:
        self.process, self._week = process, week
        self.db = PortedDatabase(week.parts.database(week.state / "detent.db"), process)
        self.ws = workspace(week, self.db, process)
        self.gateway = PortedGateway(process, follow)
        channel = week.people.channel(process, lambda: week.troubles)
        outside = Outside(train=self._train, send=send_through(channel), mirror=_unseen, lineage=_unseen)
        tell = week.teller(process.name)
        self.controller = Controller(self.ws, self.gateway, _IDLE, tell=tell, outside=outside)
        self._up = False

    def live(self) -> None:
        """Do what a controller does in a step: start, if it has only just begun, and look."""
        if not self._up:
            keep_up(self.ws, self.gateway, mirror=_unseen)
            self._up = True
        self.controller.tick_safely()

    def _train(self, ws: Workspace, request: RunRequest, *, executor: Executor) -> Outcome:
        del executor
        run = begin_run(ws, request)
        with self._week.training(self.process, run):
            made = self._week.candidate_of(run)
            self._week.say(f"{self.process.name}: {run} trains `{made.kind}`")
            return self._week.parts.put_forward(ws, request, made, self._week.campaign, run)


def _unseen(ws: Workspace) -> None:
    """Tell nobody: copies for other tools are not part of a simulated week."""
    del ws


class WorkerLife:
    """One life of a serving process, with its own way to the database for labels."""

    def __init__(self, week: Week, process: Process) -> None:
        self.process, self._week = process, week
        self._db = PortedDatabase(week.parts.database(week.state / "detent.db"), process)
        admit = week.parts.admission(week.state, week.public)
        endpoint = week.campaign.project.serving.endpoint
        self.serving = ServingProcess(week.state, endpoint, week.clock, process, admit=admit, log=week.parts.log)

    def feedback(self, callers: Callers, sent: Sequence[Sent]) -> None:
        """Send labels as callers do; what was not taken is sent again.

        Raises:
            Crash: the process died; nobody knows what it took.
        """
        callers.again(sent)
        try:
            now, serving = self._week.clock.now(), self.serving
            read = feedback.read_labels(body_of(sent), serving.ids, now, serving.classes)
            totals = feedback.keep(self._keep, read.labels)
        except feedback.Problem:
            return
        feedback.receipt(totals, read, self.serving.counters)
        known = {(label.prediction_id, label.value, label.at) for label in read.labels}
        taken = [one for one in sent if (one.prediction, stored(one.value), one.at) in known]
        gone = frozenset(taken)
        callers.queue = [one for one in callers.queue if one not in gone]
        callers.taken(taken)
        callers.taken_as_new += totals.new

    def close(self) -> None:
        """Stop as when told to."""
        self.serving.close()
        self._db.close()

    def bury(self) -> None:
        """Do what the kernel does for a dead process."""
        self.serving.bury()
        self._db.close()

    def _keep(self, labels: Sequence[Label]):
        with self._db.transaction() as tx:
            return self._week.parts.record(tx, labels)


def workspace(week: Week, db: PortedDatabase, process: Process) -> Workspace:
    """Open the state of a week as one process sees it."""
    return Workspace(
        project=week.campaign.project,
        state=week.state,
        db=db,
        blobs=PortedBlobs(week.state / "blobs", process),
        clock=week.clock,
        key=load(week.state / "keys"),
        actor=process.name,
    )


__all__ = ["ControllerLife", "WorkerLife", "workspace"]
