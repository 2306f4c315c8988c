"""Are the columns of `monitor.slices` inputs with levels? Asked before a training starts, not after it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from detent.errors import did_you_mean
from detent.loop.runs.datasets import feature_rows
from detent.loop.workspace import Workspace
from detent.project.drift import slice_error

FEW = 20  # rows that show which columns the feature function makes


def check_slices(ws: Workspace, frames: Mapping[str, pl.DataFrame]) -> None:
    """Compare `monitor.slices` with what the project's feature function makes of a few rows.

    Raises:
        ProjectError: one of them is no input, or is a fractional number; with its place in detent.yaml.
    """
    names, source = ws.project.monitor.drift.slices, ws.project.source(ws.project.features.rows)
    if not names:
        return
    made = feature_rows(ws, frames, frames[source.name].head(FEW)).schema
    inputs = {name: kind for name, kind in made.items() if name not in (source.key, source.time)}
    for name in names:
        if name not in inputs:
            why = f"it is no input of the model; those are {', '.join(inputs)}"
            raise slice_error(ws.folder, name, why, did_you_mean(name, list(inputs)))
        if inputs[name].is_float():
            why = "it is a fractional number, and slices are by levels"
            raise slice_error(ws.folder, name, why, "name an input of texts, booleans or integers")
