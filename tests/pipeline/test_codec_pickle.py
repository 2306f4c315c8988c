"""Pickles: made and opened only where the annotation says `Pickled`."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from codec_classes import Point, Shouting, Trained
from sklearn.linear_model import LogisticRegression

from detent.errors import DataError, RefusedError, TamperedError
from detent.pipeline.artifacts import LIST, PICKLE, TREE, Artifact
from detent.pipeline.codecs.annotations import Pickled, asks_for_pickle, hints_of
from detent.pipeline.codecs.table import dump, load
from detent.store.blobs import Blobs, FolderBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs")


def test_an_estimator_is_refused_with_both_ways_out(blobs: Blobs) -> None:
    with pytest.raises(DataError, match="sklearn") as caught:
        dump(LogisticRegression(), blobs)
    assert "detent.training.Model" in caught.value.fix
    assert "Pickled[...]" in caught.value.fix


def test_a_pickle_is_made_and_opened_where_both_sides_ask_for_it(blobs: Blobs) -> None:
    model = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    artifact = dump(model, blobs, declared=Pickled[LogisticRegression])
    back = load(artifact, blobs, declared=Pickled[LogisticRegression])
    assert artifact.kind == PICKLE
    assert list(back.predict([[0.0], [1.0]])) == [0, 1]
    assert dump(model, blobs, declared=Pickled[Any]) == artifact


@pytest.mark.parametrize("declared", [None, Any, object, LogisticRegression, list[int], "Pickled", Point])
def test_a_pickle_is_never_opened_where_nobody_asked_for_it(declared: Any, blobs: Blobs) -> None:
    artifact = dump(Shouting(), blobs, declared=Pickled[Shouting])
    for stored in (artifact, dump([Shouting()], blobs, declared=list[Pickled[Shouting]])):
        with pytest.raises(RefusedError, match="not opened here"):
            load(stored, blobs, declared=declared)
    assert Shouting.heard == []
    load(artifact, blobs, declared=Pickled[Shouting])
    assert Shouting.heard.pop() == "unpickled"


def test_a_kind_that_was_changed_in_the_tables_opens_no_pickle(blobs: Blobs) -> None:
    artifact = dump(Shouting(), blobs, declared=Pickled[Shouting])
    for kind in ("json", "npy", "parquet", "pandas", "arrow", "folder", "file", "tree"):
        with pytest.raises((TamperedError, DataError)):
            load(Artifact(digest=artifact.digest, kind=kind), blobs)
    assert Shouting.heard == []


def test_pickles_may_stand_inside_lists_records_and_unions(blobs: Blobs) -> None:
    model = LogisticRegression(C=3.0)
    several = dump([model, model], blobs, declared=list[Pickled[LogisticRegression]])
    assert (several.kind, several.items[0].kind) == (LIST, PICKLE)
    assert [one.C for one in load(several, blobs, declared=list[Pickled[Any]])] == [3.0, 3.0]
    record = dump(Trained("m", model), blobs)
    assert (record.kind, load(record, blobs, declared=Trained).model.C) == (TREE, 3.0)
    with pytest.raises(RefusedError):
        load(record, blobs)
    assert load(dump(None, blobs, declared=Pickled[LogisticRegression] | None), blobs) is None


def test_what_is_pickled_is_of_the_declared_type(blobs: Blobs) -> None:
    with pytest.raises(DataError, match="returned a codec_classes.Point, and its annotation declares sklearn"):
        dump(Point(1.0, 2.0), blobs, declared=Pickled[LogisticRegression])
    with pytest.raises(DataError, match="can't be pickled"):
        dump(threading.Lock(), blobs, declared=Pickled[Any])
    with pytest.raises(DataError, match="can't be pickled"):
        dump(lambda: 1, blobs, declared=Pickled[Any])


def test_a_pickle_names_the_classes_and_functions_in_it(blobs: Blobs) -> None:
    artifact = dump([Point(1.0, 2.0), partial(hints_of)], blobs, declared=Pickled[list[Any]])
    assert "codec_classes:Point" in artifact.types
    assert "detent.pipeline.codecs.annotations:hints_of" in artifact.types or "functools:partial" in artifact.types
    assert dump([1, "a"], blobs, declared=Pickled[list[Any]]).types == ()


def test_bytes_that_are_no_pickle_and_names_that_are_gone_are_errors(blobs: Blobs) -> None:
    for data in (b"", b"x", b"\x80\x05K", b"\x80\x05."):
        with pytest.raises(TamperedError):
            load(Artifact(digest=blobs.put(data), kind=PICKLE), blobs, declared=Pickled[Any])
    gone = b"\x80\x05\x8c\rcodec_classes\x8c\x04Gone\x93."
    with pytest.raises(DataError, match="bring back"):
        load(Artifact(digest=blobs.put(gone), kind=PICKLE), blobs, declared=Pickled[Any])


def test_an_annotation_asks_for_pickles_wherever_the_mark_stands() -> None:
    for hint in (
        Pickled[int],
        list[Pickled[int]],
        Pickled[int] | None,
        dict[str, list[Pickled[int]]],
        Trained,
        Pickled,
    ):
        assert asks_for_pickle(hint)
    for hint in (int, list[int], Any, None, Point, pl.DataFrame, "Pickled[int]"):
        assert not asks_for_pickle(hint)
