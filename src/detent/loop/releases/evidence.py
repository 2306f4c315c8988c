"""What the prediction log and the labels say about a running rollout. Each row of the log is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from detent.loop.releases.counting import READ, Counting, slowest_twentieth
from detent.loop.releases.labelled import COLUMNS, differences, rewards
from detent.loop.releases.plan import plan_of
from detent.loop.workspace import Workspace
from detent.predictions import read
from detent.predictions.frames import KEY, SCHEMA, at
from detent.predictions.tails import kept
from detent.records.project import RolloutPlan
from detent.records.rollout import BANDIT, Difference, Reward, Rollout
from detent.rollout.look import Look
from detent.rollout.shadow import ShadowReport, compare_shadow
from detent.serving.pages.routes import RoutePage
from detent.serving.places import route_page
from detent.store.clock import VirtualClock, parse

# A call that takes long is logged late, with the time of its request: so far back a look reads again.
OVERLAP = timedelta(seconds=120)
AT_ONCE = timedelta(days=1)
_KEY = list(KEY)
_COUNTED = tuple(dict.fromkeys((*KEY, *READ)))
# Labels come slowly; they are joined at most this often, and for a bandit as often as its weights may change.
LABELS_EVERY = timedelta(minutes=5)
# Answers of the champion from which its p95 is taken, and how old they may be.
LEAST_TIMES = 200
HISTORY = (timedelta(hours=1), timedelta(days=1))
# Differences below it are the noise of batching and caches, and hurt nobody.
LEAST_SECONDS = 0.001


class Evidence:
    """Looks at one rollout after the other; keep one per process, so that every look costs only what is new.

    Everything it remembers can be read again from the log: a new one gives the same look.
    """

    def __init__(self) -> None:
        self._of: Rollout | None = None
        self._begin()

    def look(self, ws: Workspace, rollout: Rollout, *, now: datetime) -> Look:
        """Return what is known at a moment: the present one."""
        if self._of is None or _counted_alike(self._of) != _counted_alike(rollout):
            self._begin()
            self._counting = Counting(rollout)
        self._of = rollout
        counting = self._counting
        assert counting is not None
        counting.begin_stage(rollout.stage_since)
        for frame in self._new(ws, parse(rollout.started_at), now, where=counting.wanted):
            counting.add(frame)
        plan = plan_of(ws, rollout)
        experiment = plan.experiment
        pause = min(LABELS_EVERY, experiment.every) if rollout.kind == BANDIT else LABELS_EVERY
        due = self._labels_at is None or now - self._labels_at >= pause
        ends = bool(rollout.arms) and now - parse(rollout.started_at) >= experiment.lasts
        if rollout.champion is not None and (due or ends):  # the report of an experiment holds all of it
            self._labels_at = now
            self._differences, self._rewards = self._labelled(ws, plan, rollout)
        in_shadow = not rollout.arms and plan.stages[rollout.stage].weight == 0
        return Look(
            tallies=counting.tallies(),
            entities=counting.entities(rollout.stage_since),
            shadow=self._shadow(ws, rollout) if in_shadow and rollout.champion is not None else None,
            differences=self._differences,
            rewards=self._rewards,
            route_seq=RoutePage(route_page(ws.state)).seq(),
        )

    def _begin(self) -> None:
        self._counting: Counting | None = None
        self._until: datetime | None = None
        self._recent = pl.DataFrame(schema={name: SCHEMA[name] for name in (*_KEY, "time")})
        self._labels_at: datetime | None = None
        self._differences: tuple[Difference, ...] = ()
        self._rewards: tuple[Reward, ...] = ()

    def _new(self, ws: Workspace, began: datetime, now: datetime, *, where: pl.Expr) -> Sequence[pl.DataFrame]:
        """Return the rows that no look has seen, a day at a time: the first look after a restart reads them all."""
        frames, since = [], began if self._until is None else max(began, self._until - OVERLAP)
        while since <= now:
            until = min(since + AT_ONCE, now + timedelta(microseconds=1))
            rows = read(ws.state, since, until, tails=kept(ws.state), columns=_COUNTED, where=where)
            known = self._recent
            if rows.height:
                frames.append(rows.join(known, on=_KEY, how="anti", maintain_order="left"))
                known = pl.concat([known, rows.select(*_KEY, "time")]).unique()
            if known.height:
                self._recent = known.filter(pl.col("time") > at(until - OVERLAP))
            since = until
        self._until = now
        return frames

    def _labelled(
        self, ws: Workspace, plan: RolloutPlan, rollout: Rollout
    ) -> tuple[tuple[Difference, ...], tuple[Reward, ...]]:
        mine = pl.col("endpoint") == rollout.endpoint
        rows = read(ws.state, parse(rollout.started_at), tails=kept(ws.state), columns=COLUMNS, where=mine)
        found = differences(ws, rollout, rows) if rollout.kind != BANDIT else ()
        return found, rewards(ws, plan.experiment, rollout, rows) if rollout.kind == BANDIT else ()

    def _shadow(self, ws: Workspace, rollout: Rollout) -> ShadowReport | None:
        """Pair the shadow's answers with the champion's for the same requests of this stage."""
        theirs = (pl.col("arm") == "live") & (pl.col("version") == rollout.champion)
        ours = (pl.col("arm") == "shadow") & (pl.col("version") == rollout.candidate)
        rows = read(
            ws.state,
            parse(rollout.stage_since),
            tails=kept(ws.state),
            columns=("id", "arm", "version", "score"),
            where=(pl.col("endpoint") == rollout.endpoint) & (ours | theirs),
        )
        shadow, live = rows.filter(ours), rows.filter(theirs)
        pairs = shadow.select("id", candidate="score").join(live.select("id", champion="score"), on="id")
        if pairs.is_empty():
            return None
        numbers = pairs.select(pl.col("candidate", "champion").cast(pl.Float64).fill_null(float("nan")))
        return compare_shadow(numbers["candidate"].to_numpy(), numbers["champion"].to_numpy())


def slow_limits(
    ws: Workspace, plan: RolloutPlan, champion: int | None, until: datetime
) -> tuple[float | None, float | None]:
    """Return the service times (seconds) above which an answer is slow, and slower than the champion used to be.

    The second is None while the champion has too few answers. Under a virtual clock both are None: the time that this
    machine needs says nothing about the world that is replayed.
    """
    endpoint = ws.project.serving.endpoint
    if isinstance(ws.clock, VirtualClock):
        return None, None
    slow = None if plan.slow is None else plan.slow.total_seconds()
    if plan.slower is None or champion is None:
        return slow, None
    for back in HISTORY:
        rows = read(ws.state, until - back, until, columns=READ, where=pl.col("version") == champion)
        found = slowest_twentieth(rows, endpoint=endpoint, version=champion, least=LEAST_TIMES)
        if found is not None:
            return slow, max(LEAST_SECONDS, found * plan.slower)
    return slow, None


def recount(ws: Workspace, rollout: Rollout, until: datetime) -> Counting:
    """Count the log of a rollout again, until a moment."""
    counting, since = Counting(rollout), parse(rollout.started_at)
    counting.begin_stage(rollout.stage_since)
    while since <= until:
        end = min(since + AT_ONCE, until + timedelta(microseconds=1))
        counting.add(read(ws.state, since, end, columns=READ, where=counting.wanted))
        since = end
    return counting


def _counted_alike(rollout: Rollout) -> tuple[object, ...]:
    """What a count depends on: while it stays the same, counting goes on."""
    return rollout.id, rollout.slow, rollout.slower, frozenset(arm.version for arm in rollout.arms)
