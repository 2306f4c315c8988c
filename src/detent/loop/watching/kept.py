"""Rows beside counts: kept training rows against logged ones, for what counts can't tell.

What a drifted column did to the scores, exact tests of it, and changes that no single column shows. Evidence, which is
left out where no rows are kept (`monitor.keep_rows: 0`), where nothing is logged, or where the model can't be asked.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import polars as pl

from detent.errors import DetentError
from detent.loop.champion import bundle_folder
from detent.loop.runs.reference import read_reservoir, scored
from detent.loop.scores import predictor_of
from detent.loop.workspace import Workspace
from detent.monitor.budget import Budget
from detent.monitor.drift.explain import ROWS, explained
from detent.monitor.drift.findings import About
from detent.monitor.drift.opinion import Asked, confirmed, unseen
from detent.monitor.drift.window import Seen, whole_weeks
from detent.predictions import read
from detent.predictions.frames import expand_inputs
from detent.records.finding import INFO, Finding
from detent.records.signature import Signature
from detent.records.version import ModelVersion
from detent.statistics.layout import Layout
from detent.statistics.reference import HOURS, Reference

LOG = logging.getLogger(__name__)

_MORE = 1.5  # times as many rows as are wanted are read: which ones is decided by chance
_HASHES = 2**64


def with_rows(
    ws: Workspace,
    version: ModelVersion,
    found: Sequence[Finding],
    windows: Sequence[Seen],
    *,
    reference: Reference,
    layout: Layout,
    signature: Signature,
    budget: Budget,
) -> list[Finding]:
    """Return the findings of one look with what rows say beside them.

    Args:
        ws: the project.
        version: whose rows these are.
        found: of the look at the last of the windows.
        windows: whole ones, oldest first.
        reference: of the version.
        layout: over which the windows were counted: masked inputs are not in it, and not compared here either.
        signature: of the version.
        budget: of the look.
    """
    folder = bundle_folder(ws, version)
    kept = read_reservoir(folder)
    if kept is None:
        return list(found)
    names = [axis.name for axis in layout.axes if axis.name in kept.columns]
    told, seed, newest = list(found), ws.project.simulate.seed, windows[-1]
    if any(one.severity != INFO for one in told):
        rows = _logged(ws, version, newest.start, newest.end, newest.granule.rows, signature).select(names)
        told = confirmed(told, kept, rows)
        try:
            told = explained(told, kept, rows, partial(scored, predictor_of(folder)), seed=seed)
        except DetentError as error:  # a model that can't be asked must not keep its drift from being told
            LOG.warning("action=explain version=%d reason=%r", version.number, error.what)
    scale = _scale(ws, reference, windows, budget)
    if scale is None:
        return told
    asked = Asked(
        names=tuple(names), moved=frozenset(str(one.column) for one in told if one.column is not None),
        embeddings=ws.project.monitor.drift.embeddings, level=budget.inputs, scale=scale, seed=seed,
    )  # fmt: skip
    whole = sum(window.granule.rows for window in windows[-scale:])
    rows = _logged(ws, version, windows[-scale].start, newest.end, whole, signature)
    about = About(start=newest.start, end=newest.end, version=version.number, note="")
    return told + unseen(kept, rows, asked, about)


def _scale(ws: Workspace, reference: Reference, windows: Sequence[Seen], budget: Budget) -> int | None:
    """Return how many windows are compared: one, or where the reference has seasons, the fewest that are whole weeks.

    Kept rows are of all hours of the week; a Monday alone would differ from them. None: there are no whole weeks yet.
    """
    if len(reference.seasons) != HOURS or ws.project.monitor.drift.seasonal == "off":
        return 1
    return next((n for n in budget.scales if n <= len(windows) and whole_weeks(windows[-n:])), None)


def _logged(
    ws: Workspace, version: ModelVersion, start: datetime, end: datetime, expected: int, signature: Signature
) -> pl.DataFrame:
    """Return the inputs of about 2,000 of a version's live rows, the same ones each time."""
    wanted = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
    wanted &= pl.col("version") == version.number
    share = _MORE * ROWS / max(1, expected)
    if share < 1.0:
        # Ids differ between two runs of one simulation; time and entity don't.
        wanted &= pl.struct("time", "entity").hash(ws.project.simulate.seed) < int(share * _HASHES)
    rows = read(ws.state, start, end, columns=("time", "entity", "inputs"), where=wanted)
    return expand_inputs(rows.sort("time", "entity"), signature)
