from __future__ import annotations

from pathlib import Path

import pytest

from detent.errors import StoreError, TamperedError
from detent.store.blobs import Blobs, open_blobs
from detent.store.canonical import digest


@pytest.fixture(params=["folder", "remote"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "blobs"))
    return open_blobs(f"memory://{tmp_path.name}", cache=tmp_path / "cache")


def test_bytes_come_back_by_their_digest(blobs: Blobs) -> None:
    name = blobs.put(b"hello")
    assert name == digest(b"hello") == blobs.put(b"hello")
    assert blobs.get(name) == b"hello"
    assert blobs.path(name).read_bytes() == b"hello"
    blobs.delete(name)
    assert not blobs.has(name)
    with pytest.raises(StoreError, match="missing"):
        blobs.get(name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a" * 63, "A" * 64])
def test_a_name_that_is_no_digest_reaches_no_file(blobs: Blobs, name: str) -> None:
    with pytest.raises(StoreError, match="no digest"):
        blobs.get(name)


def test_a_damaged_blob_is_never_served(tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path))
    name = blobs.put(b"hello")
    path = blobs.path(name)
    path.chmod(0o644)
    path.write_bytes(b"hellp")
    with pytest.raises(TamperedError, match="damaged"):
        blobs.get(name)
