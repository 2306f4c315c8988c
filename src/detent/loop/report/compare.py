"""How the live model stands against two baselines on the same rows: never retrained, and always promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from detent.bundle.load import load
from detent.bundle.publish import fetch
from detent.loop import places
from detent.loop.scores import score_rows
from detent.loop.workspace import Workspace
from detent.statistics.metrics import METRICS
from detent.store import ledger
from detent.store.clock import parse

LIVE, NEVER, ALWAYS = "live", "never", "always"
POLICIES = (LIVE, NEVER, ALWAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Quality of the three policies."""

    metric: str
    higher_is_better: bool
    months: pl.DataFrame  # month, rows, live, never, always (null where a month has too few rows)
    overall: dict[str, float]  # policy -> metric over all rows
    mean: dict[str, float]  # policy -> mean of the months
    extra: dict[str, dict[str, float]]  # other metric -> policy -> value over all rows
    candidates: int  # honest candidates, all of which "always" promoted


def honest_candidates(ws: Workspace) -> list[tuple[str, str]]:
    """Return (ISO time, bundle digest) of every candidate that the pipeline made, whatever the gate said."""
    return [
        (event.time, event.payload["bundle"])
        for event in ledger.read(ws.db, kind="candidate.made")
        if event.payload["origin"] == "pipeline"
    ]


def baseline_scores(ws: Workspace, rows: pl.DataFrame, time: str) -> pl.DataFrame:
    """Return the rows with the scores `never` and `always`: what those policies would have answered."""
    made = honest_candidates(ws)
    starts = [parse(moment) for moment, _ in made]
    folders = [fetch(digest, ws.blobs, places.bundles(ws.state)) for _, digest in made]
    turn = np.searchsorted(
        np.array([s.timestamp() for s in starts]), rows[time].dt.epoch("us").to_numpy() / 1e6, "right"
    )
    always = np.full(rows.height, np.nan)
    for number in np.unique(np.maximum(turn - 1, 0)):
        mine = np.maximum(turn - 1, 0) == number
        always[mine] = score_rows(load(folders[int(number)]), rows.filter(pl.Series(mine)))
    never = score_rows(load(folders[0]), rows)
    return rows.with_columns(pl.Series(NEVER, never), pl.Series(ALWAYS, always))


def compare(scored: pl.DataFrame, *, metric: str, time: str, extra: Sequence[str], candidates: int) -> Comparison:
    """Measure every policy per month and over all rows. `scored` holds label, live, never and always, without nulls."""
    months = []
    for (month,), rows in scored.group_by(pl.col(time).dt.strftime("%Y-%m"), maintain_order=True):
        values = {policy: _measure(metric, rows, policy) for policy in POLICIES}
        months.append({"month": month, "rows": rows.height, **values})
    table = pl.DataFrame(months).sort("month")
    return Comparison(
        metric=metric,
        higher_is_better=METRICS[metric].higher_is_better,
        months=table,
        overall={policy: _measure(metric, scored, policy) or float("nan") for policy in POLICIES},
        mean={policy: float(table[policy].mean() or float("nan")) for policy in POLICIES},  # type: ignore[arg-type]
        extra={name: {policy: _measure(name, scored, policy) or float("nan") for policy in POLICIES} for name in extra},
        candidates=candidates,
    )


def _measure(metric: str, rows: pl.DataFrame, policy: str) -> float | None:
    try:
        return METRICS[metric].compute(rows["label"].to_numpy(), rows[policy].to_numpy())
    except ValueError:  # one class only, or too few rows: the metric has no value here
        return None
