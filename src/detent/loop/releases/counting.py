"""From rows of the prediction log to the counts of a rollout, row by row as they come."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import polars as pl

from detent.records.rollout import ArmTally, Bad, Rollout, Tally

# Of bad events of one entity at one version, one in this time enters the test.
ONE_PER = timedelta(minutes=10)
# Distinct callers are counted up to here; so many tell a broken route at once.
MOST_ENTITIES = 1_000_000
ALL = 10_000
KINDS = ("failures", "slow", "slower")
# Columns of the log that are looked at.
READ = ("id", "time", "endpoint", "route_seq", "version", "arm", "propensity", "entity", "status", "service_seconds")
# Every host numbers the routes that it follows on its own; an id tells which host made it (`serving.identifiers`).
_SITE = pl.col("id").str.slice(16, 4).str.to_integer(base=16, strict=False).fill_null(0) // 1024
ROUTE = (_SITE * 2**40 + pl.col("route_seq")).alias("route")
_Key = tuple[int, float, bool]  # candidate, weight, is it the candidate's own


class Counting:
    """Counts of one rollout; each row of the log may be added once."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._rivals = [arm.version for arm in rollout.arms if arm.version != rollout.champion] or [rollout.candidate]
        self._sums: dict[_Key, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COLUMNS, 0))
        self._last_bad: dict[tuple[str, int, str], datetime] = {}
        self._entities: set[str] = set()
        self._stage = ""
        self._stage_entities: set[str] = set()

    @property
    def versions(self) -> list[int]:
        """The champion and everybody who is compared with it."""
        return [*self._rivals, *([] if self._rollout.champion is None else [self._rollout.champion])]

    @property
    def wanted(self) -> pl.Expr:
        """Rows of the log that count: those of both arms while both were live."""
        return (
            (pl.col("endpoint") == self._rollout.endpoint)
            & (pl.col("arm") == "live")
            & pl.col("version").is_in(self.versions)
            & (pl.col("propensity") < 1)
        )

    def add(self, rows: pl.DataFrame) -> None:
        """Count rows of the log (columns: `READ`); those that are not wanted are left out."""
        if rows.is_empty():  # while a shadow runs, all of them
            return
        rows = self._paired(self._compared(rows))
        for key, part in rows.partition_by(["rival", "weight", "own"], as_dict=True).items():
            sums = self._sums[int(key[0]), float(key[1]), bool(key[2])]
            for name, value in part.select(pl.col(*_COLUMNS).sum()).row(0, named=True).items():
                sums[name] += int(value)

    def tallies(self) -> tuple[Tally, ...]:
        """Return the counts so far, by candidate and weight."""
        pairs = sorted({(rival, weight) for rival, weight, _ in self._sums})
        return tuple(
            Tally(
                version=rival,
                weight=weight,
                candidate=_arm(self._sums.get((rival, weight, True))),
                champion=_arm(self._sums.get((rival, weight, False))),
            )
            for rival, weight in pairs
        )

    def entities(self, stage_since: str) -> int:
        """Return how many distinct entities candidates answered since the stage began (counted up to 10,000)."""
        return len(self._stage_entities) if stage_since == self._stage else 0

    def begin_stage(self, stage_since: str) -> None:
        """Count the entities of a stage anew; rows added from now on are the stage's."""
        if stage_since != self._stage:
            self._stage, self._stage_entities = stage_since, set()

    def _compared(self, rows: pl.DataFrame) -> pl.DataFrame:
        rollout = self._rollout
        rows = rows.filter(self.wanted).sort("time", "entity")
        seconds = pl.col("service_seconds")
        rows = rows.with_columns(
            requests=pl.lit(1),
            failures=(pl.col("status") != "ok").cast(pl.Int64),
            slow=_above(seconds, rollout.slow),
            slower=_above(seconds, rollout.slower),
        )
        return rows.with_columns(
            pl.Series("entities", self._first_seen(rows), dtype=pl.Int64),
            *(pl.Series(f"{kind}_once", self._once(rows, kind), dtype=pl.Int64) for kind in KINDS),
        )

    def _first_seen(self, rows: pl.DataFrame) -> list[int]:
        """Mark entities that were never seen before in this rollout: each is one draw of the split."""
        marks, since = [], self._stage
        for entity, version, time in rows.select("entity", "version", "time").iter_rows():
            new = entity not in self._entities and len(self._entities) < MOST_ENTITIES
            if new:
                self._entities.add(entity)
            marks.append(int(new))
            in_stage = bool(since) and time >= datetime.fromisoformat(since)
            if in_stage and version != self._rollout.champion and len(self._stage_entities) < ALL:
                self._stage_entities.add(entity)
        return marks

    def _once(self, rows: pl.DataFrame, kind: str) -> list[int]:
        """Mark the bad events of a kind that enter the test."""
        marks = [0] * rows.height
        if not rows[kind].sum():  # nearly always
            return marks
        found = rows.with_row_index("at").filter(pl.col(kind) > 0).select("at", "entity", "version", "time")
        for at, entity, version, time in found.iter_rows():
            last = self._last_bad.get((kind, version, entity))
            if last is None or time - last >= ONE_PER:
                self._last_bad[kind, version, entity] = time
                marks[at] = 1
        return marks

    def _paired(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return each candidate's rows with the champion's beside them, and the weight between the two."""
        if len(self._rivals) == 1:
            own = pl.col("version") == self._rivals[0]
            share = pl.when(own).then(pl.col("propensity")).otherwise(1 - pl.col("propensity"))
            rows = rows.with_columns(rival=pl.lit(self._rivals[0]), own=own, weight=(share * ALL).round(0))
            return rows.filter((pl.col("weight") > 0) & (pl.col("weight") < ALL))
        rows = rows.with_columns(ROUTE)
        known = rows.group_by("route", "version").agg(share=pl.col("propensity").first())
        base = known.filter(pl.col("version") == self._rollout.champion).select("route", base="share")
        parts = []
        for rival in self._rivals:
            shares = known.filter(pl.col("version") == rival).join(base, on="route")
            weights = shares.select(
                "route", weight=(ALL * pl.col("share") / (pl.col("share") + pl.col("base"))).round(4)
            )
            part = rows.filter(pl.col("version").is_in([rival, self._rollout.champion])).join(weights, on="route")
            parts.append(part.with_columns(rival=pl.lit(rival), own=pl.col("version") == rival))
        return pl.concat(parts)


_COLUMNS = ("requests", "entities", *KINDS, *(f"{kind}_once" for kind in KINDS))


def slowest_twentieth(rows: pl.DataFrame, *, endpoint: str, version: int, least: int) -> float | None:
    """Return the p95 of a version's service times in rows of the log; None when there are fewer than `least`."""
    seconds = rows.filter(
        (pl.col("endpoint") == endpoint)
        & (pl.col("arm") == "live")
        & (pl.col("version") == version)
        & (pl.col("status") == "ok")
    )["service_seconds"]
    return None if len(seconds) < least else seconds.quantile(0.95, interpolation="higher")


def _above(seconds: pl.Expr, limit: float | None) -> pl.Expr:
    return pl.lit(0, dtype=pl.Int64) if limit is None else (seconds > limit).cast(pl.Int64)


def _arm(sums: dict[str, int] | None) -> ArmTally:
    if sums is None:
        return ArmTally()
    bad = {kind: Bad(events=sums[kind], independent=sums[f"{kind}_once"]) for kind in KINDS}
    return ArmTally(
        requests=sums["requests"],
        entities=sums["entities"],
        failures=bad["failures"],
        slow=bad["slow"],
        slower=bad["slower"],
    )
