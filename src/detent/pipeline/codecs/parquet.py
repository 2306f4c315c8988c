"""Polars frames as Parquet."""

from __future__ import annotations

import io

import polars as pl

from detent.errors import DataError
from detent.pipeline.artifacts import PARQUET, Artifact
from detent.store.blobs import Blobs

_ROW_GROUP = 65_536


def dump(value: pl.DataFrame, blobs: Blobs) -> Artifact:
    """Store a frame. All options are fixed; without a size, row groups would follow the frame's chunks."""
    buffer = io.BytesIO()
    try:
        value.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True, row_group_size=_ROW_GROUP)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            what="a frame can't be stored as Parquet",
            why=str(error),
            fix="turn columns of Python objects into numbers, texts, lists or structs",
        ) from error
    return Artifact(digest=blobs.put(buffer.getvalue()), kind=PARQUET)


def load(artifact: Artifact, blobs: Blobs) -> pl.DataFrame:
    """Return the frame, its parts put together."""
    parts = [pl.read_parquet(io.BytesIO(blobs.get(digest))) for digest in artifact.blobs]
    return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)
