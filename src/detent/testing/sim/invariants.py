"""What must hold after each step of a simulated week, whatever went wrong in it, and what at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain, pairwise

from detent.bundle.verify import admit
from detent.loop import places
from detent.loop.audit import audit
from detent.loop.champion import CHAMPION
from detent.loop.judging.judge import is_pass
from detent.loop.releases.traffic import ROLLED_BACK, desired_route
from detent.monitor import outbox
from detent.records.event import Event
from detent.registry import aliases, versions
from detent.serving.assign import choose
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from detent.store import ledger
from detent.store.clock import parse
from detent.store.database import Database
from detent.testing.sim.answers_kept import faults_of_labels, faults_of_log
from detent.testing.sim.faults import DAY, STEP, STEPS
from detent.testing.sim.lives import WorkerLife
from detent.testing.sim.pool import BROKEN, LIVE_ONLY
from detent.testing.sim.serving import Answered
from detent.testing.sim.week import Week
from detent.trigger import store as triggers

A_DAY = timedelta(days=1)
SETTLED = 2  # steps without trouble after which files and tables have to agree
# Tables whose every row has exactly one event: (rows, kind of event).
_PAIRS = (
    ("versions", "version.registered"),
    ("alias_changes", "alias.changed"),
    ("rollouts", "rollout.opened"),
    ("trigger_trainings", "run.started"),
    ("alerts", "alert.raised"),
)


class Broken(Exception):
    """A promise was broken."""


class Promises:
    """Looks at a week from outside: at the state's files, with a connection of its own, and at what callers saw."""

    def __init__(self, week: Week) -> None:
        self._week = week
        self._ws = week.watching()
        self._page = RoutePage(route_page(week.state))
        self._seq, self._head = 0, ledger.GENESIS
        self._kinds: dict[str, int] = {}
        self._ends: dict[str, str] = {}  # of the windows that were watched, by subject
        self._crashes = 0
        self._verdicts: set[str] = set()
        self._passed: set[str] = set()
        self._trouble = (0, 0)  # how much there was at the last look, and the step when it grew
        self._good: set[tuple[object, int]] = set()  # (life of the serving process, version) that may answer

    def see(self, answers: Sequence[Answered], worker: WorkerLife) -> None:
        """Look at answers as they are given.

        Raises:
            Broken: somebody answered who must not.
        """
        _, routes = self._page.read()
        route = routes.get(self._ws.project.serving.endpoint)
        for answered in answers:
            line = answered.line
            if line is None or line.score is None:
                continue
            if route is None:
                raise Broken("an answer without a route")
            meant = choose(route, answered.asked.entity).version
            stands_in = line.fallback and line.version == route.fallback
            if line.version != meant and not stands_in:
                raise Broken(f"version {line.version} answers what the route gives to version {meant}")
            self._may_answer(line.version, worker)

    def keep(self, worker: WorkerLife | None) -> None:
        """Look at everything that costs little.

        Raises:
            Broken: the first promise found broken.
        """
        week = self._week
        crashed = week.crashes != self._crashes
        self._crashes = week.crashes
        if week.troubles != self._trouble[0]:
            self._trouble = (week.troubles, week.step)
        calm = self._trouble[1] != week.step
        new = self._new_events(calm=calm)
        if new or crashed:
            self._tables()
        if crashed or week.step % (3 * DAY) == 0:
            self._everything()
        if worker is not None:
            for _, number in worker.serving.versions.ready:
                self._may_answer(number, worker)
        if week.overlaps:
            raise Broken(f"two trainings at once: {week.overlaps[0]}")
        self._told_once()
        if week.step - self._trouble[1] >= SETTLED:
            self._route_follows()

    def keep_at_the_end(self) -> None:
        """Look at everything, and whether the loop has come round.

        Raises:
            Broken: the first promise found broken.
        """
        self._everything()
        self._route_follows()
        week, db, now = self._week, self._ws.db, self._ws.now()
        quiet = week.true_start + STEPS * STEP
        trained = triggers.trainings_since(db, self._ws.model, quiet)
        _require(bool(trained), "nothing was trained in the two quiet days at the end")
        judged = [event for event in ledger.read(db, kind="verdict") if parse(event.time) >= quiet]
        _require(bool(judged), "nothing was judged in the two quiet days at the end")
        _require(self._last_refused() == 0, f"{self._last_refused()} requests of the last day had no answer")
        waiting = [one for one in outbox.pending(db) if now - parse(one.alert.at) > A_DAY]
        _require(not waiting, f"alert {waiting[0].alert.key if waiting else ''} has not arrived in a day")
        failed = [one for one in ledger.read(db, kind="controller.failed") if now - parse(one.time) < A_DAY]
        _require(not failed, f"the controller still fails: {failed[0].payload if failed else ''}")
        window = self._ws.project.monitor.window
        for subject, end in self._ends.items():
            late = now - parse(end)
            _require(late <= 4 * window, f"{subject} was last watched until {end}, {late} ago")

    def _last_refused(self) -> int:
        callers = self._week.callers
        return callers.refused - callers.refused_before

    def _may_answer(self, number: int, worker: WorkerLife) -> None:
        """A version that answers, or may, has a sealed passing verdict about exactly the bytes that lie there."""
        if (worker, number) in self._good:
            return
        ws, week = self._ws, self._week
        version = versions.find(ws.db, ws.model, versions.get(ws.db, ws.model, number).digest)
        _require(version is not None, f"version {number} answers and was never registered")
        assert version is not None
        folder = places.bundles(week.state) / version.digest
        _require(number not in week.tampered, f"version {number} answers; somebody got at it")
        try:
            _, verdict = admit(folder, week.public)
        except Exception as error:
            raise Broken(f"version {number} answers and can't be admitted: {error}") from error
        _require(is_pass(verdict) and verdict.model_digest == version.digest, f"version {number} answers unjudged")
        kind = week.campaign.kinds()[version.digest]
        _require(kind not in BROKEN or kind in LIVE_ONLY, f"version {number}, made `{kind}`, is ready to answer")
        self._good.add((worker, number))

    def _new_events(self, *, calm: bool) -> int:
        """Follow the chain; each event comes once, behind the one before."""
        count = 0
        for event in ledger.read(self._ws.db, after=self._seq):
            _require(event.seq == self._seq + 1, f"event {event.seq} follows event {self._seq}")
            _require(event.previous == self._head, f"event {event.seq} is not chained to the one before")
            self._seq, self._head = event.seq, event.hash
            self._kinds[event.kind] = self._kinds.get(event.kind, 0) + 1
            self._look_at(event)
            self._week.say(f"  event {event.seq} {event.kind} {_short(event)}")
            count += 1
        if count and calm:
            anchor = ledger.anchor_path(self._ws.db).read_text() if ledger.anchor_path(self._ws.db).exists() else ""
            _require(self._head in anchor, f"event {self._seq} was written, and the anchor does not know it")
        return count

    def _look_at(self, event: Event) -> None:
        if event.kind.startswith("verdict."):
            self._verdicts.add(event.payload["verdict"])
        if event.kind == "verdict.passed":
            self._passed.add(event.payload["verdict"])
        if event.kind == "version.registered":
            told = event.payload["verdict"] in self._passed
            _require(told, f"{event.subject} was registered before its verdict was spoken")
        if event.kind == "window.watched":
            before = self._ends.get(event.subject)
            start = event.payload["start"]
            _require(before in (None, start), f"{event.subject} was watched until {before}, and then from {start}")
            self._ends[event.subject] = event.payload["end"]

    def _tables(self) -> None:
        """Each row that matters has its event, and what belongs together happened together."""
        db = self._ws.db
        told = len(self._verdicts)  # a verdict that is spoken again is the same one
        _require(_rows(db, "verdicts") == told, f"{_rows(db, 'verdicts')} verdicts are stored, and {told} were told")
        for table, kind in _PAIRS:
            rows = _rows(db, table)
            events = self._kinds.get(kind, 0)
            _require(rows == events, f"{rows} rows of {table} and {events} events {kind}")
        history = [change for change in aliases.history(db, self._ws.model) if change.alias == CHAMPION]
        promoted = db.rows("SELECT candidate FROM rollouts WHERE state = 'promoted' ORDER BY started_at")
        crowned = [change.number for change in history if not change.reason.startswith(ROLLED_BACK)]
        _require(
            [row["candidate"] for row in promoted] == crowned,
            f"rollouts promoted {[row['candidate'] for row in promoted]}, and champions were {crowned}",
        )
        running = db.rows("SELECT id FROM rollouts WHERE state = 'running'")
        _require(len(running) <= 1, f"{len(running)} rollouts run at once")
        twice = db.rows(
            "SELECT episode_key FROM episodes WHERE state = 'open' GROUP BY episode_key HAVING COUNT(*) > 1"
        )
        _require(not twice, f"two open episodes about {twice[0]['episode_key'] if twice else ''}")
        self._guards_kept()

    def _guards_kept(self) -> None:
        """Trainings keep the pause and the budget that the plan gives them."""
        plan = self._ws.project.trigger
        rows = self._ws.db.rows("SELECT started_at FROM trigger_trainings ORDER BY started_at")
        started = [parse(row["started_at"]) for row in rows]
        for number, moment in enumerate(started):
            within = [one for one in started[: number + 1] if one > moment - plan.budget_period]
            _require(len(within) <= plan.budget, f"{len(within)} trainings within {plan.budget_period}")
            if number:
                pause = moment - started[number - 1]
                _require(pause >= plan.cooldown, f"a training began {pause} after the one before")

    def _everything(self) -> None:
        """Walk through the chain, the registry, the log and the labels."""
        found = audit(self._ws)
        _require(not found.faults, found.faults[0] if found.faults else "")
        week = self._week
        in_log = faults_of_log(week.state, week.callers, len(self._ws.project.target.classes))
        for fault in chain(in_log, faults_of_labels(self._ws.db, week.callers)):
            raise Broken(fault)

    def _told_once(self) -> None:
        """An alert comes twice only when something went wrong between the two."""
        for key, troubles in self._week.people.arrived.items():
            for before, after in pairwise(troubles):
                _require(after > before, f"alert {key[:8]} was delivered twice")

    def _route_follows(self) -> None:
        """The route is the one that aliases and the running rollout ask for."""
        _, routes = self._page.read()
        page, wanted = routes.get(self._ws.project.serving.endpoint), desired_route(self._ws)
        _require(
            page is not None and replace(page, seq=0) == replace(wanted, seq=0),
            f"the route is {page}, and it should be {wanted}",
        )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def _rows(db: Database, table: str) -> int:
    found = db.row(f"SELECT COUNT(*) AS n FROM {table}")
    return int(found["n"]) if found else 0


def _short(event: Event) -> str:
    told = event.payload
    words = [str(told[name]) for name in ("origin", "kind", "decision", "reason", "alias", "number") if told.get(name)]
    return " ".join(words)[:100]
