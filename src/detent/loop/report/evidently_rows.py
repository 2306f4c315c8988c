"""Which rows Evidently is given: what the champion was judged on, beside what it was asked in a window."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from detent.bundle.codec import signature_from_json
from detent.bundle.publish import fetch
from detent.errors import DetentError, RefusedError, StoreError
from detent.gate import store as verdicts
from detent.loop import places
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.happened import last_event
from detent.loop.runs.reference import read_reservoir
from detent.loop.scores import predictor_of, score_rows
from detent.loop.watching.watch import TRAFFIC
from detent.loop.workspace import Workspace
from detent.monitor.evidently_page import Compared
from detent.predictions import expand_inputs, join, labels_of, read
from detent.records.log import DROP, HASH, KEEP, OFF
from detent.records.signature import BOOLEAN, STRING, Signature
from detent.records.version import ModelVersion
from detent.store.clock import parse

ROWS = 20_000  # of either side at most: Evidently's time and memory grow with the rows, its bins do not
PREDICTION = "prediction"
BEWARE = (
    "it judges each column alone and knows no seasons; `detent monitor report` has seasons and a budget of false alarms"
)
_HASHES = 2**64
_TASKS = ("binary", "regression")  # whose answers are one number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Rows of one side, and what is said of them."""

    frame: pl.DataFrame
    text: str


def compared(ws: Workspace, since: datetime | None = None) -> Compared:
    """Return the rows that the champion was judged on and those that it answered in a window, column by column.

    On the rows of its evaluation a model's scores are as they will be, which those on its training rows are not. Where
    they are gone, the training rows that its bundle keeps stand in for them, without label and answer. The notes say
    what is left out: inputs that the log hashes or drops, columns without a value on either side.

    Args:
        ws: the project.
        since: first moment; None: the newest window that was looked at, or the one that ends now when none was.

    Raises:
        RefusedError: there is no champion, it answered nothing in the window, or no rows or columns are left.
    """
    version = champion_version(ws)
    if version is None:
        why = "no version is champion"
        raise RefusedError(what="there is nothing to compare with", why=why, fix="make one: detent run")
    start, end = _window(ws, since)
    answered = _answered(ws, version, start, end)
    signature, left_out = _unmasked(ws, _signature(ws, version))
    current, labels = _current(ws, answered.frame, signature)
    reference = _reference(ws, version, signature)
    names, empty = _shared(reference.frame, current)
    left_out |= empty
    lacking = "; ".join(f"{name}: {why}" for name, why in left_out.items())
    if not names:
        raise RefusedError(what="there is no column to compare", why=lacking, fix=_longer(start, end))
    notes = (
        ("reference", reference.text), ("current", answered.text), ("labels", labels), ("left out", lacking),
        ("beware", BEWARE),
    )  # fmt: skip
    return Compared(
        title=f"{ws.project.name}: drift of version {version.number}, as Evidently sees it",
        notes=tuple(note for note in notes if note[1]),
        reference=reference.frame.select(names),
        current=current.select(names),
    )


def _signature(ws: Workspace, version: ModelVersion) -> Signature:
    folder = bundle_folder(ws, version)
    if not folder.is_dir():
        fetch(version.digest, ws.blobs, places.bundles(ws.state))
    return signature_from_json((folder / "signature.json").read_bytes())


def _unmasked(ws: Workspace, signature: Signature) -> tuple[Signature, dict[str, str]]:
    """Return the inputs that the log keeps, and why the others are left out."""
    rules = dict(ws.project.serving.log.fields)
    kept = tuple(field for field in signature.inputs if rules.get(field.name, KEEP) == KEEP)
    said = {HASH: "the log holds only its hash", DROP: "the log drops it"}
    masked = {field.name: said[rules[field.name]] for field in signature.inputs if field not in kept}
    return replace(signature, inputs=kept), masked


def _window(ws: Workspace, since: datetime | None) -> tuple[datetime, datetime]:
    watched = last_event(ws.db, "window.watched", f"{TRAFFIC}:{ws.project.serving.endpoint}")
    end = ws.now() if watched is None else parse(watched.payload["end"])
    return (end - ws.project.monitor.window if since is None else since), end


def _longer(start: datetime, end: datetime) -> str:
    return f"look at a longer window, such as --since {max(7, 4 * (end - start).days)}d"


def _answered(ws: Workspace, version: ModelVersion, start: datetime, end: datetime) -> _Side:
    """Return the log's rows of a version in a window, or those of them that chance chose: the same ones each time."""
    live = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
    by = read(ws.state, start, end, columns=("version",), where=live)["version"]
    rows = int((by == version.number).sum())
    span = f"{_minute(start)} to {_minute(end)}"
    if not rows:
        raise RefusedError(
            what=f"version {version.number} answered nothing from {span} that is logged",
            why=_why_none(ws, by),
            fix=_longer(start, end),
        )
    wanted = live & (pl.col("version") == version.number)
    if rows > ROWS:
        # Ids differ between two runs of one simulation; time and entity don't.
        wanted &= pl.struct("time", "entity").hash(ws.project.simulate.seed) < int(ROWS / rows * _HASHES)
    chosen = read(ws.state, start, end, columns=("id", "time", "entity", "inputs", "score"), where=wanted)
    text = f"{_of(chosen.height, rows)} that version {version.number} answered, {span}"
    return _Side(frame=chosen.sort("time", "entity"), text=text)


def _why_none(ws: Workspace, by: pl.Series) -> str:
    if ws.project.serving.log.mode == OFF:
        return "`serving.log.mode` is off, so no answer is kept"
    if by.is_empty():
        return "the log holds no answer of this window"
    others = ", ".join(f"version {number}" for number in sorted(by.unique().to_list()))
    return f"the {by.len():,} answers of this window are by {others}"


def _current(ws: Workspace, rows: pl.DataFrame, signature: Signature) -> tuple[pl.DataFrame, str]:
    """Return the table of the window, and what is said of its labels."""
    frame = _typed(expand_inputs(rows, signature), signature)
    if ws.project.target.task not in _TASKS:
        return frame, f"left out, as are answers: they are no single number in a {ws.project.target.task} task"
    within = ws.project.monitor.labels_within
    labels = join(rows, labels_of(ws.db, rows["id"]), now=ws.now(), labels_within=within)["label"]
    known = labels.len() - labels.null_count()
    frame = frame.with_columns(_finite(rows["score"]).alias(_prediction(signature)))
    if not known:
        return frame, f"none of these rows has one yet, so `{ws.project.target.column}` is left out"
    target = _target(ws, labels).alias(ws.project.target.column)
    return frame.with_columns(target), f"{known:,} of {_count(rows.height)} have one: `{target.name}`"


def _reference(ws: Workspace, version: ModelVersion, signature: Signature) -> _Side:
    try:
        stored = ws.blobs.get(verdicts.load(ws.db, version.verdict).data_digest)
    except StoreError:
        return _reservoir(ws, version, signature)
    whole = pl.read_parquet(io.BytesIO(stored))
    rows = _some(whole, ws.project.simulate.seed)
    frame = _typed(rows, signature)
    text = f"{_of(rows.height, whole.height)} that version {version.number} was judged on and not fitted on"
    if ws.project.target.task not in _TASKS:
        return _Side(frame=frame, text=text)
    added = [_target(ws, rows[ws.project.target.column]).alias(ws.project.target.column)]
    try:
        scores = score_rows(predictor_of(bundle_folder(ws, version)), rows)
        added.append(_finite(pl.Series(_prediction(signature), scores.astype(np.float64))))
    except DetentError as error:
        text += f"; its answers are left out, for the model can't be asked: {error.what}"
    return _Side(frame=frame.with_columns(added), text=text)


def _reservoir(ws: Workspace, version: ModelVersion, signature: Signature) -> _Side:
    kept = read_reservoir(bundle_folder(ws, version))
    if kept is None:
        raise RefusedError(
            what=f"there are no rows that version {version.number} could be compared with",
            why="the rows it was judged on are not in the store, and its bundle keeps no training rows",
            fix="restore the state folder from a backup, or train again with `monitor.keep_rows` above 0",
        )
    text = f"{_count(kept.height)} that version {version.number} was fitted on; those it was judged on are gone"
    return _Side(frame=_typed(kept, signature), text=text)


def _shared(reference: pl.DataFrame, current: pl.DataFrame) -> tuple[list[str], Mapping[str, str]]:
    """Return the columns with values on both sides, in order, and why the others are left out."""
    names, left_out = [], {}
    for name in current.columns:
        lacking = [
            side
            for side, frame in (("reference", reference), ("logged", current))
            if name not in frame.columns or frame[name].null_count() == frame.height
        ]
        if lacking:
            left_out[name] = f"no value in the {' and '.join(lacking)} rows"
        else:
            names.append(name)
    return names, left_out


def _typed(rows: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Return the inputs that the rows have: numbers as finite Float64, texts and truth values as String."""
    return pl.DataFrame(
        [
            rows[field.name].cast(pl.String) if field.kind in (STRING, BOOLEAN) else _finite(rows[field.name])
            for field in signature.inputs
            if field.name in rows.columns
        ]
    )


def _finite(values: pl.Series) -> pl.Series:
    """Return numbers; what is infinite or NaN is missing: Evidently's distances would be NaN."""
    numbers = values.cast(pl.Float64)
    return numbers.to_frame().select(pl.when(pl.col(values.name).is_finite()).then(pl.col(values.name)))[values.name]


def _target(ws: Workspace, values: pl.Series) -> pl.Series:
    """Return labels: two levels in a binary task, else numbers."""
    numbers = _finite(values)
    return numbers.cast(pl.Int64).cast(pl.String) if ws.project.target.task == "binary" else numbers


def _prediction(signature: Signature) -> str:
    """Return a name for the answers that no input has."""
    taken = {field.name for field in signature.inputs}
    return PREDICTION if PREDICTION not in taken else f"{PREDICTION} of the model"


def _some(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    if rows.height <= ROWS:
        return rows
    return rows[np.sort(np.random.default_rng(seed).permutation(rows.height)[:ROWS]).tolist()]


def _count(rows: int) -> str:
    return f"{rows:,} row" + ("" if rows == 1 else "s")


def _of(some: int, rows: int) -> str:
    return _count(rows) if some == rows else f"{some:,} of {_count(rows)}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
