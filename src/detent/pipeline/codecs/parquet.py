"""Polars frames as Parquet."""

from __future__ import annotations

from typing import BinaryIO

import polars as pl

from detent.errors import DataError
from detent.pipeline.artifacts import PARQUET, Artifact
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.spool import put_written
from detent.store.blobs import Blobs

_ROW_GROUP = 65_536


def dump(value: pl.DataFrame, blobs: Blobs) -> Artifact:
    """Store a frame. Equal frames give equal bytes: all options are fixed, and chunks are put together.

    Without a size, row groups would follow the chunks; and pages of lists follow them in any case.
    """
    frame = value.rechunk()
    try:
        digest = put_written(blobs, lambda file: _write(frame, file), size=int(frame.estimated_size()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(
            what="a frame can't be stored as Parquet",
            why=str(error)[:300],
            fix="turn columns of Python objects and structs without fields into numbers, texts, lists or structs",
        ) from error
    return Artifact(digest=digest, kind=PARQUET)


def _write(frame: pl.DataFrame, file: BinaryIO) -> None:
    try:
        frame.write_parquet(file, compression="zstd", compression_level=1, statistics=True, row_group_size=_ROW_GROUP)
    except pl.exceptions.ComputeError as error:
        if "os error" in str(error):  # a full disk; Polars hides that it is an OSError
            raise OSError(str(error)) from error
        raise


def load(artifact: Artifact, blobs: Blobs) -> pl.DataFrame:
    """Return the frame, its parts put together."""
    try:
        # glob: a folder such as `[1]` on the way to the blob is no pattern.
        parts = [pl.read_parquet(blobs.path(digest), glob=False) for digest in artifact.blobs]
        return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise unreadable(artifact, error) from error
