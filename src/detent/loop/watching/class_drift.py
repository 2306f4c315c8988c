"""Which class is answered how often: kept with the reference, and looked at in each window.

Classes are no input and no number, so they are counted beside the rest, from the log: a layout of one column, looked at
by the same tests, at half of what scores may cost (the other half is for how sure the answers are).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from detent.loop.champion import bundle_folder
from detent.loop.classes import TOLD, classes_in
from detent.loop.workspace import Workspace
from detent.monitor.budget import Budget
from detent.monitor.drift.detect import detect
from detent.monitor.drift.samples import scores_need_weeks
from detent.monitor.drift.window import Seen
from detent.predictions import read
from detent.records.finding import Finding
from detent.records.log import OFF, SAMPLE
from detent.records.signature import STRING
from detent.records.version import ModelVersion
from detent.statistics.axes import Axis, score_axis
from detent.statistics.granules import Granule, count, empty
from detent.statistics.layout import Layout
from detent.statistics.reference import Reference

COLUMN = "predicted class"
SHARE = 0.5  # of what scores may cost in false alarms


def with_share(budget: Budget, classes: Sequence[str]) -> Budget:
    """Return the budget of a look at everything but the classes."""
    return replace(budget, prediction=SHARE * budget.prediction) if classes else budget


def class_findings(
    ws: Workspace,
    version: ModelVersion,
    windows: Sequence[Seen],
    *,
    reference: Reference,
    budget: Budget,
    note: str,
) -> list[Finding]:
    """Return what changed in the answered classes; [] for one score per row, and where the log lacks answers.

    Args:
        ws: the project.
        version: whose answers are counted.
        windows: whole ones, oldest first; their own counts are not looked at.
        reference: of the version.
        budget: of the whole look, with the share of the scores already reduced by `with_share`.
        note: added to each message.
    """
    classes, kept = classes_in(bundle_folder(ws, version)), dict(reference.extra).get(TOLD)
    if not classes or kept is None or not windows or ws.project.serving.log.mode in (OFF, SAMPLE):
        return []
    plan = ws.project.monitor.drift
    weekly = plan.seasonal != "off"  # what a part of a week is like has to wait where whole weeks are looked at
    scales = [
        n for n in budget.scales
        if n <= len(windows) and not (weekly and scores_need_weeks(reference, windows[-n:], budget.scales))
    ]  # fmt: skip
    if not scales:
        return []
    layout, known = _layout(classes), json.loads(kept)
    expected = np.repeat(np.array(classes), known["counts"]).tolist()
    own = Reference(
        layout=layout, inputs=count(layout, {COLUMN: expected}), scores=empty(layout),
        inflation=((COLUMN, float(known["inflation"])),),
    )  # fmt: skip
    counted = _counted(ws, version, windows, layout, classes)
    level = replace(budget, scales=tuple(scales), inputs=budget.prediction)
    found = detect(own, counted, budget=level, plan=plan, version=version.number, note=note)
    return [one for one in found if one.column == COLUMN]


def _layout(classes: Sequence[str]) -> Layout:
    return Layout(axes=(Axis(name=COLUMN, kind=STRING, levels=tuple(classes)), score_axis((), "value", 20, ())))


def _counted(
    ws: Workspace, version: ModelVersion, windows: Sequence[Seen], layout: Layout, classes: Sequence[str]
) -> list[Seen]:
    """Return the windows with counts of the version's answered classes."""
    mine = (pl.col("endpoint") == ws.project.serving.endpoint) & (pl.col("arm") == "live")
    mine &= (pl.col("version") == version.number) & (pl.col("scores").list.len() == len(classes))
    rows = read(ws.state, windows[0].start, windows[-1].end, columns=["time", "scores"], where=mine)
    told = rows.select("time", code=pl.col("scores").list.arg_max())
    return [
        replace(window, granule=_granule(told, window.start, window.end, layout, classes), hours=())
        for window in windows
    ]


def _granule(told: pl.DataFrame, start: datetime, end: datetime, layout: Layout, classes: Sequence[str]) -> Granule:
    codes = told.filter((pl.col("time") >= start) & (pl.col("time") < end))["code"].to_list()
    return count(layout, {COLUMN: [classes[code] for code in codes]})
