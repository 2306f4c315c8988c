"""What the log and the table of labels must hold after all that was asked and told in a simulated week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from detent.predictions import Tails, read
from detent.store.database import Database
from detent.testing.sim.callers import Callers, stored

_COLUMNS = ("id", "request", "arm", "entity", "score", "scores", "served_by")


def faults_of_log(state: Path, callers: Callers, classes: int) -> Iterator[str]:
    """Yield what is wrong: every answer is in the log once, and nothing is in it that nobody asked.

    Args:
        state: folder of the log.
        callers: who knows what was asked and answered.
        classes: how many a prediction has; 0: it is one number.
    """
    # Every byte is read again: what the controllers remember of the log may be what is wrong.
    rows = read(state, columns=_COLUMNS, tails=Tails(files=False))
    live = rows.filter(pl.col("arm") == "live")
    if live["id"].n_unique() != live.height:
        yield "an answer is in the log twice"
    logged = {row[0]: row[1:] for row in live.select("id", "request", "entity", "served_by").iter_rows()}
    for id_, answered in callers.answers.items():
        asked, line, row = answered.asked, answered.line, logged.get(id_)
        assert line is not None
        if row is None:
            yield f"answer {id_} of {asked.name} is not in the log"
        elif row[:2] != (asked.name, asked.entity):
            yield f"answer {id_} of {asked.name} was logged as {row[:2]}"
        elif row[2] != line.version:
            yield f"answer {id_} came from version {line.version}, the log says {row[2]}"
    for name, count in live.group_by("request").len().iter_rows():
        if count > callers.deliveries.get(name, 0):
            yield f"the log holds {name} {count} times; nobody asked that"
    if classes:
        yield from _lacking(rows, classes)


def faults_of_labels(db: Database, callers: Callers) -> Iterator[str]:
    """Yield what is wrong: every label that was taken is there once, with the newest value that was said."""
    rows = {row["prediction_id"]: row for row in db.rows("SELECT prediction_id, value, revision FROM labels")}
    if callers.taken_as_new > len(rows):
        yield f"{callers.taken_as_new} labels were taken as new, and {len(rows)} predictions have one"
    open_ones = {sent.prediction for sent in callers.queue}
    for id_, told in callers.truths.items():
        if id_ in open_ones:
            continue
        row, truth, changes = rows.get(id_), stored(told[max(told)]), len(set(told.values())) - 1
        if row is None:
            yield f"the label of {id_} was taken, and is not there"
        elif row["value"] != truth:
            yield f"the label of {id_} is {row['value']}, and the newest word is {truth}"
        elif row["revision"] > changes:
            yield f"the label of {id_} has {row['revision']} corrections of {changes}"


def _lacking(rows: pl.DataFrame, classes: int) -> Iterator[str]:
    """Yield the answers without all probabilities, or whose score is not the largest of them."""
    answered = rows.filter(pl.col("score").is_not_null())
    whole = (pl.col("scores").list.len() == classes) & (pl.col("scores").list.max() == pl.col("score"))
    for id_ in answered.filter(~whole.fill_null(value=False))["id"].to_list():
        yield f"the log lacks probabilities of answer {id_}"
