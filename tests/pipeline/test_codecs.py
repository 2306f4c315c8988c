from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.errors import DataError, TamperedError
from detent.pipeline.artifacts import Artifact
from detent.pipeline.codecs.table import discard_damaged, dump, load
from detent.store.blobs import Blobs, open_blobs
from detent.store.canonical import canonical


@dataclass(frozen=True)
class Point:
    x: float
    y: float


class Notes:
    """Saves itself into a folder."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def save(self, folder: Path) -> None:
        for name, text in self.texts.items():
            (folder / name).write_text(text)

    @classmethod
    def load(cls, folder: Path) -> Notes:
        return cls(**{path.name: path.read_text() for path in folder.iterdir()})


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return open_blobs(str(tmp_path / "blobs"))


def test_equal_values_have_equal_digests_however_they_were_made(blobs: Blobs) -> None:
    frame = pl.DataFrame({"a": range(10_000)})
    assert dump(frame, blobs) == dump(pl.concat([frame[:7], frame[7:]], rechunk=False), blobs)
    array = np.arange(6.0).reshape(2, 3)
    assert (
        dump(array, blobs)
        == dump(np.asfortranarray(array), blobs)
        == dump(np.arange(12.0)[::2].reshape(2, 3) / 2, blobs)
    )
    assert dump({"a": 1, "b": [None]}, blobs) == dump({"b": [None], "a": 1}, blobs)
    assert dump(Notes(a="1", b="2"), blobs) == dump(Notes(b="2", a="1"), blobs)


def test_values_that_differ_in_type_have_different_digests(blobs: Blobs) -> None:
    values = [1, 1.0, True, "1", [1], np.ones(1), np.ones(1, dtype=int), pl.DataFrame({"a": [1]}), Point(1, 1)]
    assert len({dump(value, blobs).digest for value in values}) == len(values)


def test_arrays_keep_their_type_and_shape(blobs: Blobs) -> None:
    arrays = [np.array(5), np.zeros((0, 3)), np.array(["a", "bc"]), np.array(["2013-01-01"], dtype="datetime64[s]")]
    for array in arrays:
        back = load(dump(array, blobs), blobs)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert np.array_equal(back, array)


def test_a_dataclass_comes_back_and_one_that_would_not_is_refused(blobs: Blobs) -> None:
    assert load(dump(Point(1.5, 2.0), blobs), blobs) == Point(1.5, 2.0)
    with pytest.raises(DataError, match="can't be stored"):
        dump(Point(float("nan"), 0.0), blobs)
    with pytest.raises(DataError, match="can't be stored"):
        dump(Point(object(), 0.0), blobs)  # pyright: ignore[reportArgumentType]


def test_masks_and_objects_are_refused(blobs: Blobs) -> None:
    for array in (np.ma.masked_array([1, 2], [True, False]), np.array([object()])):
        with pytest.raises(DataError, match="can't be an output"):
            dump(array, blobs)


def test_an_object_that_saves_nothing_or_links_is_refused(blobs: Blobs) -> None:
    with pytest.raises(DataError, match="did not save itself"):
        dump(Notes(), blobs)

    class Links(Notes):
        def save(self, folder: Path) -> None:
            (folder / "link").symlink_to("/etc/hostname")

    Links.__qualname__ = "Links"
    with pytest.raises(DataError, match="did not save itself"):
        dump(Links(), blobs)


def test_a_class_that_nobody_can_import_is_refused(blobs: Blobs) -> None:
    class Local(Notes):
        pass

    with pytest.raises(DataError, match="nobody else can import it"):
        dump(Local(a="1"), blobs)
    gone = dump(Notes(a="1"), blobs)
    missing = Artifact(digest=gone.digest, kind=gone.kind, type=gone.type.replace("Notes", "Nots"))
    with pytest.raises(DataError, match="is gone"):
        load(missing, blobs)


def test_a_folder_that_reaches_outside_is_refused(blobs: Blobs) -> None:
    for name in ("../x", "/etc/x", "a/../../x"):
        manifest = blobs.put(canonical({"format": "detent.folder.v1", "files": {name: blobs.put(b"x")}}))
        with pytest.raises(TamperedError, match="outside itself"):
            load(Artifact(digest=manifest, kind="folder", type=f"{__name__}:Notes"), blobs)


def test_damage_to_any_file_of_a_folder_is_found_and_removed(blobs: Blobs) -> None:
    artifact = dump(Notes(a="1", b="2"), blobs)
    assert not discard_damaged([artifact], blobs)
    for text in (b"2", b"1"):
        path = blobs.path(blobs.put(text))
        path.chmod(0o644)
        path.write_bytes(b"X")
        assert discard_damaged([artifact], blobs)
        assert not path.exists()
        dump(Notes(a="1", b="2"), blobs)
        assert not discard_damaged([artifact], blobs)
    blobs.delete(artifact.digest)
    assert discard_damaged([artifact], blobs)
