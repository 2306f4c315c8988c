"""Frames as content-addressed Parquet parts, and the snapshot that lists them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

import polars as pl

from detent.records.snapshot import Part, Snapshot
from detent.store.blobs import Blobs
from detent.store.canonical import canonical, digest_of
from detent.store.clock import iso

# Rows of a full part. When a table only grows, all parts but the last stay the same: they are encoded and stored once.
PART_ROWS = 65_536


def encode(frame: pl.DataFrame) -> bytes:
    """Return the frame as Parquet. Equal frames give equal bytes (with one version of Polars), however they were made.

    NOTE: without a fixed size the row groups would follow the frame's chunks, and so the way it was made.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=True, row_group_size=PART_ROWS)
    return buffer.getvalue()


def put_part(frame: pl.DataFrame, blobs: Blobs) -> Part:
    """Store up to PART_ROWS rows as one blob."""
    data = encode(frame)
    return Part(digest=blobs.put(data), rows=frame.height, bytes=len(data))


def bounds(rows: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of each part of a table; an empty table has one empty part, which carries its schema."""
    return [(start, min(start + PART_ROWS, rows)) for start in range(0, rows, PART_ROWS)] or [(0, 0)]


def take_snapshot(frame: pl.DataFrame, *, dataset: str, source: str, as_of: datetime | None, blobs: Blobs) -> Snapshot:
    """Store a frame and return its snapshot; the same rows in the same order give the same id."""
    parts = [put_part(frame[start:stop], blobs) for start, stop in bounds(frame.height)]
    return list_parts(frame, parts, dataset=dataset, source=source, as_of=as_of, blobs=blobs)


def list_parts(
    frame: pl.DataFrame, parts: Sequence[Part], *, dataset: str, source: str, as_of: datetime | None, blobs: Blobs
) -> Snapshot:
    """Store the manifest of parts that are in the store already, and return the snapshot that it names.

    The manifest holds contents only. Name, source and cut are lineage, so two cuts with the same rows share an id.
    """
    schema = tuple((name, str(kind)) for name, kind in frame.schema.items())
    manifest = {
        "format": "detent.snapshot.v1",
        "schema": schema,
        "parts": [[part.digest, part.rows, part.bytes] for part in parts],
    }
    blobs.put(canonical(manifest))
    return Snapshot(
        id=digest_of(manifest),
        dataset=dataset,
        parts=tuple(parts),
        schema=schema,
        rows=frame.height,
        source=source,
        as_of=None if as_of is None else iso(as_of),
    )


def read_snapshot(snapshot: Snapshot, blobs: Blobs) -> pl.DataFrame:
    """Return a snapshot's rows.

    Raises:
        StoreError: a part is missing.
        TamperedError: a part is damaged.
    """
    return pl.concat([pl.read_parquet(io.BytesIO(blobs.get(part.digest))) for part in snapshot.parts], rechunk=True)
