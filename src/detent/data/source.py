"""The bytes of a declared source and the table in them."""

from __future__ import annotations

import io
from pathlib import Path

import fsspec
import polars as pl

from detent.errors import DataError, DetentError, MissingExtraError, Place, did_you_mean
from detent.records.project import Source


def place_of(source: Source, key: str = "source") -> Place:
    """Return where detent.yaml declares a key of this dataset."""
    return Place(file="detent.yaml", line=source.line, field=f"data.{source.name}.{key}")


def read_bytes(source: Source, folder: Path) -> bytes:
    """Return the source's bytes, from a path relative to the project folder or from any URL that fsspec knows.

    Raises:
        DataError: nothing is there (files with a similar name are suggested), or it can't be read.
        MissingExtraError: the URL's kind needs a package that is not installed.
    """
    if "://" in source.source:
        return _read_url(source)
    path = folder / source.source
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _missing(source, path) from error
    except OSError as error:
        raise _unreadable(source, error) from error


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


def _read_url(source: Source) -> bytes:
    try:
        with fsspec.open(source.source, "rb") as file:
            return file.read()  # pyright: ignore[reportAttributeAccessIssue]  (an OpenFile gives one file)
    except FileNotFoundError as error:
        raise DataError(
            what=f"dataset `{source.name}` is missing",
            why=f"nothing is at {source.source}",
            fix="put the data there, or correct the URL",
            where=place_of(source),
        ) from error
    except ImportError as error:
        raise MissingExtraError(
            what=f"dataset `{source.name}` needs a package that is not installed",
            why=_first_line(error),
            fix="install the fsspec package for this kind of URL, for example `pip install s3fs` for s3://",
            where=place_of(source),
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from error


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
