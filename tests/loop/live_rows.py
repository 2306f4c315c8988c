"""A log as a worker writes it, with chosen answers and labels, so that a test knows who was right."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from detent.loop.champion import CHAMPION, bundle_folder
from detent.loop.scores import predictor_of
from detent.loop.workspace import Workspace
from detent.predictions import places, record, seal
from detent.records.log import LogPlan
from detent.records.prediction import Label
from detent.registry import aliases, versions
from detent.serving.counts.counters import Counters
from detent.serving.logs.log import PredictionLog
from detent.serving.places import counter_files
from detent.serving.rows.validate import RowReader
from detent.store.clock import iso
from detent.store.turns import LogRow


def rows(count: int, seed: int = 0) -> pl.DataFrame:
    """Rows that look like the project's."""
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "channel": draw.choice(["web", "app"], count),
            "category": draw.choice(["shoes", "books", "toys"], count),
            "price": draw.uniform(5, 200, count).round(2),
            "discount": draw.uniform(0, 0.5, count).round(2),
            "items": draw.integers(1, 6, count),
            "hour": draw.integers(0, 24, count),
            "weekday": draw.integers(0, 7, count),
        }
    )


def first_scores(ws: Workspace, frame: pl.DataFrame) -> np.ndarray:
    """What version 1 says."""
    return predictor_of(bundle_folder(ws, versions.get(ws.db, ws.model, 1))).predict(frame.to_dict(as_series=False))


def write(
    ws: Workspace,
    frame: pl.DataFrame,
    scores: np.ndarray,
    *,
    version: int,
    age: timedelta,
    labels: np.ndarray | None = None,
    seed: int = 0,
) -> None:
    """Log answers (NaN: nobody could answer) that were given `age` ago, and their labels."""
    counters = Counters(counter_files(ws.state), 0)
    log = PredictionLog(places.segments(ws.state), "w0", plan=LogPlan(), key=bytes(32), counters=counters)
    predictor = predictor_of(bundle_folder(ws, versions.get(ws.db, ws.model, 1)))
    shape, names = log.shapes.of(RowReader(predictor.signature)), [f.name for f in predictor.signature.inputs]
    at, known = ws.now() - age, []
    for number, values in enumerate(frame.iter_rows(named=True)):
        score = float(scores[number])
        id_ = f"{number:020x}{seed:010x}{int(age.total_seconds()):010x}"
        row = LogRow(
            id_, round(at.timestamp() * 1e6) + number, "shop", 1, version, version, "live", 1.0, f"c{number}",
            shape.number, tuple(values.get(name) for name in names), None if np.isnan(score) else score,
            "broken" if np.isnan(score) else "", 1e-5, "",
        )  # fmt: skip
        log.append([row], at)
        if labels is not None:
            known.append(Label(prediction_id=id_, value=float(labels[number]), at=iso(ws.now())))
    log.close()
    counters.close()
    seal(places.segments(ws.state), places.parquet(ws.state))
    with ws.db.transaction() as tx:
        record(tx, known)


def promote(ws: Workspace, number: int) -> None:
    """Make a version champion at this moment."""
    with ws.db.transaction() as tx:
        aliases.set_alias(
            tx, model=ws.model, alias=CHAMPION, number=number, actor="test", reason="promoted", now=ws.now()
        )
