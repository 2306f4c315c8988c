"""Ask any version what was asked before, offline, and compare its answers with those that were given.

It reads the prediction log and writes nothing: no row, no counter, no event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from detent.bundle.protocol import Predictor
from detent.bundle.publish import fetch
from detent.errors import RefusedError, did_you_mean
from detent.loop import places
from detent.loop.champion import bundle_folder
from detent.loop.classes import one_score
from detent.loop.scores import columns_of, predictor_of
from detent.loop.workspace import Workspace
from detent.predictions import expand_inputs, read
from detent.predictions.answers import answered
from detent.predictions.compare import Difference, compare
from detent.predictions.usable import HASHED, MISSING, Usable, usable
from detent.records.log import DROP
from detent.records.version import ModelVersion
from detent.registry import aliases, versions

BATCH = 256  # rows of one call
ALONE = 300  # rows that are also asked one by one, to measure what a single answer takes
SHARES = (0.5, 0.95, 0.99)

Watch = Callable[[int, int], None]  # told (rows done, rows in all) after each batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which logged predictions are asked again."""

    since: datetime | None
    until: datetime | None
    limit: int | None = None  # the newest so many
    tolerance: float = 1e-6  # answers further apart than this, times max(1, |answer|), count as changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it."""

    version: int
    logged: int  # predictions in the window
    replayed: int
    left_out: tuple[tuple[str, str, int], ...]  # (why, input, rows)
    first: str  # ISO time of the first row that was asked again
    last: str
    errors_before: int  # rows that nobody could answer then
    errors_after: int
    alone: int  # rows that were also asked one by one: live calls are small, and a model may fail only in those
    alone_failed: int
    error: str  # what the first failure says
    seconds_before: tuple[tuple[float, float], ...]  # (share of rows, seconds inside the model at most), as logged
    seconds_after: tuple[tuple[float, float], ...]  # the same, of single rows asked here
    rows_per_second: float  # in batches
    difference: Difference


def replay(ws: Workspace, version: ModelVersion, asked: Asked, *, watch: Watch) -> Replay:
    """Give the logged inputs of a window to a version and compare.

    Raises:
        RefusedError: nothing was logged in the window, or its inputs are hashed or dropped.
    """
    predictor = one_score(predictor_of(_folder(ws, version)))
    logged = _logged(ws, asked)
    found = _checked(ws, usable(logged, predictor.signature), version)
    rows = found.rows
    inputs = expand_inputs(rows, predictor.signature)
    began = time.perf_counter()
    scores, errors = _scores(predictor, inputs, watch)
    seconds = time.perf_counter() - began
    alone = _alone(predictor, inputs, errors)
    before = rows["answer"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Replay(
        version=version.number,
        logged=logged.height,
        replayed=rows.height,
        left_out=found.left_out,
        first=rows["time"][0].isoformat(),
        last=rows["time"][-1].isoformat(),
        errors_before=int(np.isnan(before).sum()),
        errors_after=int(np.isnan(scores).sum()),
        alone=len(alone),
        alone_failed=int(np.isnan(alone).sum()),
        error=errors[0] if errors else "",
        seconds_before=_shares(rows["service_seconds"].to_numpy()),
        seconds_after=_shares(alone[~np.isnan(alone)]),
        rows_per_second=rows.height / seconds,
        difference=compare(
            rows["id"].to_list(),
            before,
            scores,
            tolerance=asked.tolerance,
            probability=predictor.signature.output == "probability",
        ),
    )


def _folder(ws: Workspace, version: ModelVersion) -> Path:
    folder = bundle_folder(ws, version)
    return folder if folder.is_dir() else fetch(version.digest, ws.blobs, places.bundles(ws.state))


def _logged(ws: Workspace, asked: Asked) -> pl.DataFrame:
    """Return the window's live rows with the answer that each caller got (null: none), oldest first."""
    mine = pl.col("endpoint") == ws.project.serving.endpoint
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise RefusedError(
            what="there is nothing to replay",
            why=f"the window begins at {_minute(asked.since)} and ends at {_minute(asked.until)}, before that",
            fix="give a --since that is older than --until: --since 2d --until 1d",
        )
    rows = read(ws.state, asked.since, asked.until, where=mine)
    live = rows.filter(pl.col("arm") == "live")
    answers = answered(rows).select("id", "answer")
    live = live.join(answers, on="id", how="left", maintain_order="left")
    if live.is_empty():
        raise RefusedError(
            what="there is nothing to replay",
            why=f"the log holds no prediction {_window(asked)}",
            fix="choose another --since; `serving.log.mode` says what is logged",
        )
    return live if asked.limit is None else live.tail(asked.limit)


def _window(asked: Asked) -> str:
    since = "" if asked.since is None else f" from {_minute(asked.since)}"
    return f"at all{since}" if asked.until is None else f"of the window{since} to {_minute(asked.until)}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _checked(ws: Workspace, found: Usable, version: ModelVersion) -> Usable:
    dropped = {name for name, rule in ws.project.serving.log.fields if rule == DROP}
    for what, name, count in found.left_out:
        if what == HASHED or (what == MISSING and name in dropped):
            raise RefusedError(
                what=f"these predictions can't be replayed through version {version.number}",
                why=f"it needs `{name}`, which the log {'has only hashed' if what == HASHED else 'does not keep'}"
                f" ({count:,} rows)",
                fix="replay through a version that does without it; what was not kept can't be asked again",
            )
    if found.rows.is_empty():
        what, name, _ = found.left_out[0]
        raise RefusedError(
            what=f"these predictions can't be replayed through version {version.number}",
            why=f"no row has all its inputs: `{name}` is {what}",
            fix="choose a window in which versions with these inputs answered",
        )
    return found


def _scores(predictor: Predictor, inputs: pl.DataFrame, watch: Watch) -> tuple[NDArray[np.float64], list[str]]:
    """Return a score per row, NaN where the model failed, and what the failures say."""
    scores = np.full(inputs.height, np.nan)
    errors: list[str] = []
    for start in range(0, inputs.height, BATCH):
        batch = inputs[start : start + BATCH]
        given = _try(predictor, _columns(batch), batch.height, [])
        if given is None:  # one bad row must not hide what the model says about the others
            alone = [_try(predictor, _columns(batch[at : at + 1]), 1, errors) for at in range(batch.height)]
            given = np.array([np.nan if one is None else one[0] for one in alone])
        scores[start : start + batch.height] = given
        watch(min(start + BATCH, inputs.height), inputs.height)
    return scores, errors


def _try(
    predictor: Predictor, columns: Mapping[str, Sequence[object]], rows: int, errors: list[str]
) -> NDArray[np.float64] | None:
    try:
        scores = predictor.predict(columns)
    except Exception as error:  # noqa: BLE001  (a model may raise anything; that is what is being found out)
        errors.append(f"{type(error).__name__}: {error}")
        return None
    if len(scores) != rows or not np.isfinite(scores).all():
        errors.append(f"the model gave {scores.tolist()[:3]} for {rows} rows")
        return None
    return scores


def _alone(predictor: Predictor, inputs: pl.DataFrame, errors: list[str]) -> NDArray[np.float64]:
    """Return the seconds of single calls, spread evenly over the rows; NaN for one that failed."""
    step = max(1, inputs.height // ALONE)
    seconds: list[float] = []
    for at in range(0, inputs.height, step):
        columns = _columns(inputs[at : at + 1])
        began = time.perf_counter()
        failed = _try(predictor, columns, 1, errors) is None
        seconds.append(float("nan") if failed else time.perf_counter() - began)
    return np.array(seconds)


def _columns(rows: pl.DataFrame) -> Mapping[str, Sequence[object]]:
    return columns_of(rows, rows.columns)


def _shares(seconds: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((share, float(np.quantile(seconds, share))) for share in SHARES) if len(seconds) else ()


def chosen(ws: Workspace, number: int | None, alias: str) -> ModelVersion:
    """Return the version with a number, or without one the version that an alias points to.

    Raises:
        RefusedError: there is none.
    """
    found = aliases.current(ws.db, ws.model, alias) if number is None else number
    if found is None:
        known = tuple(aliases.all_current(ws.db, ws.model))
        raise RefusedError(
            what=f"no version is `{alias}`",
            why="the alias points nowhere",
            fix=did_you_mean(alias, known) if known else "name a version: --version N",
        )
    return versions.get(ws.db, ws.model, found)
