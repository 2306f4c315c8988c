"""pandas frames as Parquet, with the index and all dtypes; a frame that would come back changed is refused."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pandas as pd
import pyarrow as pa

from detent.errors import DataError
from detent.pipeline.artifacts import PANDAS, Artifact
from detent.pipeline.codecs.arrow import as_read, check_table, read_table, write_table
from detent.pipeline.codecs.misfit import unreadable
from detent.pipeline.codecs.spool import put_written
from detent.store.blobs import Blobs
from detent.store.canonical import canonical

_FACTS = b"detent.pandas"  # what is lost otherwise: categories, the frequency of an index
_INDEX = -1  # in place of a column's position
_SURE = frozenset("biufmM")  # kinds of NumPy dtypes whose values come back whenever their dtype does


def dump(value: pd.DataFrame, blobs: Blobs) -> Artifact:
    """Store a frame.

    Raises:
        DataError: a column, the index or a name would not come back as it was.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what would be lost is refused, and pandas warns of its own doings
            table = _table(value)
            check_table(table)
            _check(value, table)
    except (pa.ArrowException, ValueError, TypeError, AssertionError, NotImplementedError) as error:
        raise DataError(
            what="a pandas.DataFrame can't be stored so that it comes back as it was",
            why=" ".join(str(error).split())[:300],
            fix="give each column one plain dtype (`astype`), each name as a text, or return polars.from_pandas(frame)",
        ) from error
    return Artifact(digest=put_written(blobs, lambda file: write_table(table, file), size=table.nbytes), kind=PANDAS)


def load(artifact: Artifact, blobs: Blobs) -> pd.DataFrame:
    """Return the frame."""
    try:
        return _frame(read_table(blobs.path(artifact.digest)))
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        raise unreadable(artifact, error) from error


def _check(frame: pd.DataFrame, table: pa.Table) -> None:
    """Compare a frame with what it would be when it comes back.

    Values can only change in columns of objects, categories and the like; without such, no rows are enough.
    """
    if table.num_rows != len(frame):
        raise ValueError("it has rows and no columns")
    sample = frame if _is_risky(frame) else frame.iloc[:0]
    again = _frame(as_read(table if sample is frame else _table(sample)))
    pd.testing.assert_frame_equal(again, sample, check_exact=True, check_freq=True, check_index_type=True)
    if again.attrs != sample.attrs:
        raise ValueError("its `attrs` would come back changed")
    for one, other in ((again.index, sample.index), (again.columns, sample.columns)):
        if [level.dtype for level in _levels(one)] != [level.dtype for level in _levels(other)]:
            raise ValueError("the type of a level of its index or names would come back changed")


def _table(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame)
    metadata = dict(table.schema.metadata)
    metadata[b"pandas"] = canonical(json.loads(metadata[b"pandas"]))  # the order of `attrs` is no part of the value
    return table.replace_schema_metadata(metadata | {_FACTS: canonical(_facts(frame))})


def _frame(table: pa.Table) -> pd.DataFrame:
    metadata = dict(table.schema.metadata)
    facts = json.loads(metadata.pop(_FACTS))
    frame = table.replace_schema_metadata(metadata).to_pandas()
    for at, categories, dtype, ordered in facts["categories"]:
        kind = pd.CategoricalDtype(pd.Index(categories, dtype=dtype), ordered=ordered)
        if at == _INDEX:
            frame.index = frame.index.astype(kind)
        else:
            frame.isetitem(at, frame.iloc[:, at].astype(kind))
    if facts["freq"]:
        frame.index.freq = facts["freq"]  # pyright: ignore[reportAttributeAccessIssue]
    return frame


def _facts(frame: pd.DataFrame) -> dict[str, Any]:
    dtypes = [(_INDEX, frame.index.dtype), *((at, frame.iloc[:, at].dtype) for at in range(frame.shape[1]))]
    categories = [
        [at, dtype.categories.tolist(), str(dtype.categories.dtype), bool(dtype.ordered)]
        for at, dtype in dtypes
        if isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype.kind in "biufOU"
    ]
    return {"categories": categories, "freq": getattr(frame.index, "freqstr", None)}


def _levels(index: pd.Index) -> list[pd.Index]:
    return [index.get_level_values(at) for at in range(index.nlevels)]


def _is_risky(frame: pd.DataFrame) -> bool:
    dtypes = [*frame.dtypes, frame.index.dtype]
    return frame.index.nlevels > 1 or any(dtype.kind not in _SURE and str(dtype) != "str" for dtype in dtypes)
