"""One value, at least, of every kind; made in this order or another, in this process or another, they are the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from codec_classes import Colour, Customer, Fold, Mark, Notes, Point

from detent.pipeline.codecs.annotations import Pickled

Sample = Callable[[Path], tuple[Any, Any]]  # a folder to write into -> (value, annotation)

_FRAME = pl.DataFrame({"n": range(300), "text": [f"{n % 7}-{n}" for n in range(300)]}).with_columns(
    category=(pl.col("n") % 3).cast(pl.String).cast(pl.Categorical), lists=pl.int_ranges(pl.lit(0), pl.col("n") % 4)
)
_PLAIN = _FRAME.select("n", "text")
_RECORD = {
    "marks": [Mark(1.0, -0.0, "m", (Point(float("nan"), 2.0),))],
    "words": frozenset({"a", "b", "c", "d", "e"}),
    "by colour": {Colour.RED: {1, 2, 3}, Colour.GREEN: set()},
    "at": datetime(2024, 1, 1, tzinfo=UTC),
}


def _file(folder: Path) -> tuple[Path, Any]:
    (folder / "numbers.csv").write_text("a,b\n1,2\n")
    return folder / "numbers.csv", Path


def _folder(folder: Path) -> tuple[Path, Any]:
    for name in ("one.txt", "deep/two.txt"):
        path = folder / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder / "folder", Path


SAMPLES: dict[str, Sample] = {
    "a Polars frame": lambda _: (_FRAME, pl.DataFrame),
    "a pandas frame": lambda _: (_PLAIN.to_pandas().set_index("text"), pd.DataFrame),
    "an Arrow table": lambda _: (_PLAIN.to_arrow(), pa.Table),
    "an array": lambda _: (np.arange(12.0).reshape(3, 4), np.ndarray),
    "plain values": lambda _: ({"a": [1, 2.5, None, "x"]}, dict),
    "records": lambda _: (_RECORD, None),
    "a model of pydantic": lambda _: (Customer(name="Ada", age=36), Customer),
    "a file": _file,
    "a folder": _folder,
    "an object": lambda _: (Notes(a="1", b="2"), Notes),
    "a pickle": lambda _: ([1, "a", (2.5, None)], Pickled[list[Any]]),
    "a list of frames": lambda _: ([_FRAME, _FRAME[:2]], list[pl.DataFrame]),
    "a tree": lambda folder: ({"fold": Fold(_FRAME, np.arange(3), "f"), "file": _file(folder)[0]}, dict[str, Any]),
}
