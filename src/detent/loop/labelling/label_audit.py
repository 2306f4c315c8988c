"""Ask people about some answers a day, and take what they say."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isfinite

import polars as pl

from detent.errors import DetentError, did_you_mean
from detent.loop.champion import bundle_folder
from detent.loop.classes import classes_in
from detent.loop.labelling.labels import recorded
from detent.loop.watching.quality_rows import answers_of
from detent.loop.workspace import Workspace
from detent.predictions import LabelCounts, audit, join, labels_of, read, record
from detent.predictions.answers import answered
from detent.records.event import Fact
from detent.records.prediction import Label
from detent.records.project import Target
from detent.registry import versions
from detent.store import ledger
from detent.store.classes import class_number
from detent.store.clock import iso

DAY = timedelta(days=1)
SHOWN = ("id", "time", "version", "said", "score", "inputs")


def ask(ws: Workspace) -> int:
    """Choose `monitor.audit` answers of the last 24 hours, once a day; return how many people are asked about."""
    wanted, last = ws.project.monitor.audit, audit.last_asked(ws.db)
    if not wanted or (last is not None and last <= ws.now() < last + DAY):
        return 0
    ids = chosen(ws, wanted, since=ws.now() - DAY)
    if not ids:
        return 0
    subject = f"model:{ws.model}"
    with ws.db.transaction() as tx:
        news = audit.ask(tx, ids, ws.now())
        ledger.append(
            tx, Fact(kind="audit.asked", subject=subject, actor=ws.actor, payload={"answers": news}), ws.now()
        )
    return news


def chosen(ws: Workspace, n: int, *, since: datetime) -> list[str]:
    """Return the ids of some answers without a label, a few of each level of the score."""
    answers = answers_of(ws, since, ws.now())
    if answers.is_empty():
        return []
    return audit.choose(join(answers, labels_of(ws.db, answers["id"])), n, seed=ws.project.simulate.seed)


def open_questions(ws: Workspace, n: int) -> pl.DataFrame:
    """Return at most `n` answers that wait for a person, those asked about first: SHOWN.

    Of several classes `said` is the most probable one and `score` its probability; else `said` is "".
    """
    ids = audit.asked(ws.db)["id"].to_list()[:n]
    if len(ids) < n:
        ids += [id_ for id_ in chosen(ws, n, since=ws.now() - 7 * DAY) if id_ not in ids][: n - len(ids)]
    return _rows(ws, ids)


def set_label(ws: Workspace, id_: str, value: str) -> LabelCounts:
    """Record what a person says about one answer: a number as text, or the name of a class.

    Raises:
        DetentError: there is no such answer, or it can't have such a label: no finite number, of a binary model
            neither 0 nor 1, of several classes none of them.
    """
    if _rows(ws, [id_]).is_empty():
        raise DetentError(
            what=f"no answer has the id {id_[:60]!r}",
            why="a label is about an answer in the prediction log",
            fix="see the ids of answers without a label: detent label list",
        )
    told = Label(prediction_id=id_, value=_number(ws.project.target, value), at=iso(ws.now()), source=ws.actor)
    with ws.db.transaction() as tx:
        counts = record(tx, [told])
        if counts.new or counts.corrected:
            ledger.append(tx, recorded(ws, ws.actor, counts, {}), ws.now())
    return counts


def _number(target: Target, value: str) -> float:
    """Return the number by which a label is stored.

    Raises:
        DetentError: it is no label of this project.
    """
    if target.classes:
        if value not in target.classes:
            raise DetentError(
                what=f"{value[:60]!r} is none of the classes",
                why=f"`target.classes` declares {', '.join(target.classes)}",
                fix=did_you_mean(value, target.classes),
            )
        return class_number(value)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise DetentError(
            what=f"{value[:60]!r} is no label", why="a label is a number", fix="give what was true as a number"
        )
    if target.task == "binary" and number not in (0.0, 1.0):
        raise DetentError(what=f"{number:g} is neither 0 nor 1", why="the model is binary", fix="give 0 or 1")
    return number


def _rows(ws: Workspace, ids: list[str]) -> pl.DataFrame:
    if not ids:
        return pl.DataFrame(schema=dict.fromkeys(SHOWN, pl.String()))
    mine = (pl.col("endpoint") == ws.project.serving.endpoint) & pl.col("id").is_in(ids)
    rows = read(ws.state, where=mine & pl.col("id").is_between(pl.lit(min(ids)), pl.lit(max(ids))))
    place = pl.DataFrame({"id": ids}).with_row_index("place")
    given = answered(rows).with_columns(version=pl.col("by"), score=pl.col("answer"))
    given = given.with_columns(said=_said(ws, given))
    return given.join(place, on="id").sort("place").select(SHOWN)


def _said(ws: Workspace, rows: pl.DataFrame) -> pl.Series:
    """Return the class that each row answers; "" where there are none, or the bundle is not here any more."""
    if not ws.project.target.classes:
        return pl.Series([""] * rows.height, dtype=pl.String())
    folders = {one.number: bundle_folder(ws, one) for one in versions.all_versions(ws.db, ws.model)}
    had = {number: classes_in(folder) for number, folder in folders.items() if folder.is_dir()}
    said = []
    for version, scores in rows.select("version", "scores").iter_rows():
        names = had.get(version, ())
        said.append(names[scores.index(max(scores))] if scores and len(scores) == len(names) else "")
    return pl.Series(said, dtype=pl.String())
