"""Labels out of a file of the project: Parquet, CSV or JSON lines."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from detent.predictions.sources.protocol import Fetched, refused
from detent.project.labels import FILES
from detent.records.project import LabelSource
from detent.store.canonical import digest


def fetch(source: LabelSource, folder: Path, since: datetime | None) -> Fetched:  # noqa: ARG001  (a file has one part)
    """Return the file's rows and the digest of its bytes.

    Names are read as text: an order 0017 is not 17.

    Raises:
        LabelError: it is missing, no table, or lacks a column.
    """
    path = folder / source.source
    wanted = [name for name in (source.name, source.value, source.at) if name is not None]
    if path.suffix not in FILES:
        why = f"its suffix `{path.suffix}` is none of {', '.join(FILES)}"
        raise refused(source, why, "give it the suffix of what it is")
    try:
        content = path.read_bytes()
        texts = {source.name: pl.String()}
        if path.suffix == ".csv":
            rows = pl.read_csv(content, columns=wanted, schema_overrides=texts)
        elif path.suffix == ".parquet":
            rows = pl.read_parquet(content, columns=wanted)
        else:
            rows = pl.read_ndjson(content, schema_overrides=texts, infer_schema_length=None).select(wanted)
    except FileNotFoundError as error:
        raise refused(source, f"there is no file {path}", "put it there, or correct monitor.labels") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        columns = ", ".join(wanted)
        raise refused(source, str(error).splitlines()[0], f"it must be a table with the columns {columns}") from error
    return Fetched(rows=rows, version=digest(content))
