"""The bytes of a file of the project, and the table in bytes."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from detent.data.place import place_of
from detent.data.stamp import Stamp, file_stamp
from detent.errors import DataError, DetentError, did_you_mean
from detent.records.project import Source

TRIES = 3  # attempts to read a file that somebody writes to


def read_file(source: Source, folder: Path) -> tuple[bytes, Stamp]:
    """Return a file's bytes, from a path relative to the project folder, and the stamp that it had all the while.

    Raises:
        DataError: nothing is there (files with a similar name are suggested), it can't be read, or somebody writes to
            it all the time.
    """
    path = folder / source.source
    for _ in range(TRIES):
        before = file_stamp(path)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise _missing(source, path) from error
        except OSError as error:
            raise _unreadable(source, error) from error
        after = file_stamp(path)
        if before.value[:5] == after.value[:5]:
            return data, after
    raise DataError(
        what=f"dataset `{source.name}` changes while it is read",
        why=f"{source.source} was written to during each of {TRIES} attempts, so its rows may be of two versions",
        fix="write to another name first and rename the file when it is complete",
        where=place_of(source),
    )


def read_table(data: bytes, source: Source) -> pl.DataFrame:
    """Return the table in Parquet or CSV bytes; Parquet is known by its first bytes, everything else must be CSV.

    Raises:
        DataError: the bytes are neither, or damaged.
    """
    try:
        if data.startswith(b"PAR1"):
            return pl.read_parquet(io.BytesIO(data))
        return pl.read_csv(io.BytesIO(data), try_parse_dates=True, infer_schema_length=None)
    except pl.exceptions.NoDataError as error:
        raise DataError(
            what=f"dataset `{source.name}` is empty",
            why=f"{source.source} has no rows",
            fix="write the data first, or name another file",
            where=place_of(source),
        ) from error
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise DataError(
            what=f"dataset `{source.name}` can't be read",
            why=f"{source.source} is neither Parquet nor CSV, or it is damaged: {_first_line(error)}",
            fix="write the file again, as Parquet or as CSV in UTF-8",
            where=place_of(source),
        ) from error


def _missing(source: Source, path: Path) -> DataError:
    if path.parent.is_dir():
        names = sorted(found.name for found in path.parent.iterdir() if found.is_file())
        fix = did_you_mean(path.name, names) if names else f"the folder {path.parent} is empty: put the file there"
    else:
        fix = f"there is no folder {path.parent}: create it and put the file there"
    return DataError(
        what=f"dataset `{source.name}` is missing",
        why=f"there is no file {source.source} in the project folder",
        fix=fix,
        where=place_of(source),
    )


def _unreadable(source: Source, error: Exception) -> DetentError:
    return DataError(
        what=f"dataset `{source.name}` can't be read",
        why=f"{source.source}: {_first_line(error)}",
        fix="check the path or URL, its access rights and the connection",
        where=place_of(source),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
