"""A change as people want to see it: the code's own diff, the old and the new value, rows more or less."""

from __future__ import annotations

import difflib
import io
import json

import pyarrow.parquet as pq

from detent.errors import StoreError, TamperedError
from detent.pipeline import store
from detent.pipeline.artifacts import PARQUET, Artifact
from detent.pipeline.nodes import RESULT
from detent.pipeline.parts import Parts
from detent.pipeline.plan import Change
from detent.records.run import WHOLE
from detent.store.blobs import Blobs
from detent.store.database import Reader

_LONGEST = 40  # lines of one diff


def code_diff(change: Change, *, now: Parts, before: Parts, blobs: Blobs) -> list[str]:
    """Return the lines of a unified diff of a piece of code, normalised (without comments and formatting)."""
    old, new = _text(before, change.name, blobs), _text(now, change.name, blobs)
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "now", lineterm="", n=2))[2:]
    if len(lines) > _LONGEST:
        lines = [*lines[:_LONGEST], f"... and {len(lines) - _LONGEST} more lines"]
    return lines


def rows_change(now: Artifact | None, before: Artifact | None, blobs: Blobs) -> str:
    """Say how a frame differs from the one before: rows more or less, or only other values; "" if nobody can say."""
    if now is None or before is None or now.kind != PARQUET or before.kind != PARQUET:
        return ""
    try:
        old, new = _rows(before, blobs), _rows(now, blobs)
    except (StoreError, TamperedError):
        return ""
    change = f"{new - old:+,} rows" if new != old else "as many rows, other values"
    return f"{change} ({old:,} -> {new:,})"


def artifact_at(origin: str, run: str, db: Reader) -> Artifact | None:
    """Return what came out at a place ("split.train", or a dataset's name) in a run; None when it is not known."""
    inputs = store.run_inputs(db, run) or {}
    if origin in inputs:
        return inputs[origin]
    step, _, output = origin.partition(".")
    ended = store.find_ended(db, run, step, WHOLE)
    return None if ended is None else ended[1].get(output or RESULT)


def _text(parts: Parts, component: str, blobs: Blobs) -> str:
    try:
        return str(json.loads(blobs.get(parts.source)).get(component, ""))
    except (StoreError, TamperedError):
        return ""


def _rows(artifact: Artifact, blobs: Blobs) -> int:
    return sum(_row_count(name, blobs) for name in artifact.blobs)


def _row_count(name: str, blobs: Blobs) -> int:
    return pq.read_metadata(io.BytesIO(blobs.get(name))).num_rows
