"""Predictions of a rollout with their labels: differences between arms, and what a bandit's arms earned."""

from __future__ import annotations

import numpy as np
import polars as pl

from detent.loop.champion import bundle_folder
from detent.loop.classes import classes_in, logged_losses
from detent.loop.releases.counting import ROUTE
from detent.loop.workspace import Workspace
from detent.predictions import join, labels_of
from detent.records.project import Experiment
from detent.records.rollout import AB, Difference, Reward, Rollout
from detent.registry import versions
from detent.statistics.sequences import Mean, arm_mean, paired_mean
from detent.statistics.thompson import discounted, policy_value
from detent.store.clock import VirtualClock

# Columns of the log that are looked at.
COLUMNS = (
    "id", "time", "endpoint", "route_seq", "version", "arm", "propensity", "entity", "score", "status",
    "service_seconds", "scores",
)  # fmt: skip
LEAST = 2  # rows of an arm without which there is no variance


def differences(ws: Workspace, rollout: Rollout, rows: pl.DataFrame) -> tuple[Difference, ...]:
    """Return the mean differences that can be computed from rows of the log.

    Loss: (score - label)^2 for a probability, half the Brier score for several classes, |score - label| otherwise. Only
    rows count that are old enough to have their label in both arms. An A/B test also compares failures and service
    times.
    """
    rows = rows.filter(pl.col("endpoint") == rollout.endpoint)
    matured = _matured(ws, rows.filter(pl.col("arm").is_in(["live", "shadow"])))
    found = [_pairs(rollout, matured)] if not rollout.arms else []
    for version in _rivals(rollout):
        found.append(_arms(rollout, matured, version, name="loss", column="loss", labelled=True))
        if rollout.kind == AB:
            live = rows.filter(pl.col("arm") == "live").with_columns(failed=(pl.col("status") != "ok").cast(pl.Float64))
            found.append(_arms(rollout, live, version, name="failures", column="failed", labelled=False))
            if not isinstance(ws.clock, VirtualClock):  # a replay's service times are this machine's
                found.append(_arms(rollout, live, version, name="seconds", column="service_seconds", labelled=False))
    return tuple(one for one in found if one is not None)


def rewards(ws: Workspace, experiment: Experiment, rollout: Rollout, rows: pl.DataFrame) -> tuple[Reward, ...]:
    """Return what each arm earned with rows that are old enough to have a label."""
    live = rows.filter((pl.col("endpoint") == rollout.endpoint) & (pl.col("arm") == "live"))
    matured = _matured(ws, live).sort("time", "entity", "version")
    by_label = experiment.reward == "label"
    matured = matured.with_columns(reward=pl.col("label") if by_label else -pl.col("loss"))
    known = matured.filter(pl.col("reward").is_not_null() & pl.col("version").is_in([a.version for a in rollout.arms]))
    half_life = experiment.half_life.total_seconds()
    found = []
    for arm in rollout.arms:
        mine = known.filter(pl.col("version") == arm.version)
        if mine.height < LEAST:
            continue
        ages = (pl.Series([ws.now()] * mine.height, dtype=mine["time"].dtype) - mine["time"]).dt.total_microseconds()
        sums = discounted(mine["reward"].to_numpy(), ages.to_numpy() / 1e6, half_life=half_life)
        value = policy_value(
            known["reward"].to_numpy(), (known["version"] == arm.version).to_numpy(), known["propensity"].to_numpy()
        )
        found.append(
            Reward(
                version=arm.version,
                matured=matured.filter(pl.col("version") == arm.version).height,
                rewarded=mine.height,
                count=sums.count,
                total=sums.total,
                squares=sums.squares,
                binary=sums.binary,
                value=value.mean,
                error=value.error,
            )
        )
    return tuple(found)


def _matured(ws: Workspace, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that should have their label by now, with `label` and `loss` (null: it did not come)."""
    within = ws.project.monitor.labels_within
    joined = join(rows, labels_of(ws.db, rows["id"]), now=ws.now(), labels_within=within).filter("matured")
    if ws.project.target.classes:
        numbers = joined["version"].unique().to_list()
        had = {number: classes_in(bundle_folder(ws, versions.get(ws.db, ws.model, number))) for number in numbers}
        return joined.with_columns(loss=logged_losses(joined, had, ws.project.target.classes))
    error = pl.col("score") - pl.col("label")
    return joined.with_columns(loss=error**2 if ws.project.target.task == "binary" else error.abs())


def _rivals(rollout: Rollout) -> list[int]:
    return [arm.version for arm in rollout.arms if arm.version != rollout.champion] or [rollout.candidate]


def _pairs(rollout: Rollout, matured: pl.DataFrame) -> Difference | None:
    shadow = matured.filter((pl.col("arm") == "shadow") & (pl.col("version") == rollout.candidate))
    live = matured.filter((pl.col("arm") == "live") & (pl.col("version") == rollout.champion))
    if min(shadow.height, live.height) < LEAST:
        return None
    both = (
        live.select("id", "time", "entity", theirs="loss")
        .join(shadow.select("id", ours="loss"), on="id")
        .drop_nulls(["ours", "theirs"])
        .sort("time", "entity")
    )
    if both.height < LEAST:
        return None
    mean = paired_mean(both["ours"].to_numpy(), both["theirs"].to_numpy())
    return _difference("loss", rollout.candidate, "shadow", mean, (both.height, both.height), (0, 0))


def _arms(
    rollout: Rollout, rows: pl.DataFrame, version: int, *, name: str, column: str, labelled: bool
) -> Difference | None:
    """Compare one candidate's live rows with the champion's, each weighted by the chance with which it was chosen."""
    live = rows.filter(
        (pl.col("arm") == "live") & pl.col("version").is_in([version, rollout.champion]) & (pl.col("propensity") < 1)
    )
    if live.height < LEAST:  # while a shadow runs, all rows were certain to be the champion's
        return None
    known = live.filter(pl.col(column).is_not_null()).sort("time", "entity", "version")
    ours, theirs = (_rows(known, number) for number in (version, rollout.champion))
    if min(ours, theirs) < LEAST:
        return None
    own = (known["version"] == version).to_numpy()
    mean = arm_mean(known[column].to_numpy(), own, _between(known, version, rollout))
    matured = (_rows(live, version), _rows(live, rollout.champion)) if labelled else (0, 0)
    return _difference(name, version, "arms", mean, (ours, theirs), matured)


def _rows(frame: pl.DataFrame, version: int | None) -> int:
    return 0 if version is None else int((frame["version"] == version).sum())


def _between(known: pl.DataFrame, version: int, rollout: Rollout) -> np.ndarray:
    """Return the chance of each row's arm among the two that are compared."""
    chance = known["propensity"].to_numpy()
    if len(_rivals(rollout)) == 1:
        return chance
    known = known.with_columns(ROUTE)
    shares = known.group_by("route", "version").agg(share=pl.col("propensity").first())
    total = shares.group_by("route").agg(total=pl.col("share").sum(), arms=pl.len())
    # With one of the two missing at a route its share is not known; such routes are short, and this weighs them least.
    safe = pl.when(pl.col("arms") == len({version, rollout.champion})).then("total").otherwise(1.0)
    sums = known.join(total.with_columns(total=safe), on="route", how="left", maintain_order="left")["total"]
    return chance / sums.to_numpy()


def _difference(
    name: str, version: int, source: str, mean: Mean, rows: tuple[int, int], matured: tuple[int, int]
) -> Difference:
    return Difference(
        name=name,
        version=version,
        source=source,
        rows=mean.rows,
        candidate_rows=rows[0],
        champion_rows=rows[1],
        mean=mean.mean,
        variance=mean.variance,
        candidate_matured=matured[0],
        champion_matured=matured[1],
    )
