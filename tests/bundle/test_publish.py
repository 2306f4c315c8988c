from __future__ import annotations

from pathlib import Path

import pytest

from detent.bundle.pack import manifest_digest
from detent.bundle.publish import fetch, publish
from detent.bundle.sign import seal
from detent.bundle.verify import admit, verify
from detent.errors import StoreError, TamperedError
from detent.store.blobs import open_blobs

from .builders import KEY, PUBLIC, make_verdict


def test_a_published_bundle_comes_back_byte_for_byte(bundle: Path, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    digest = publish(bundle, blobs)
    assert digest == manifest_digest(bundle)
    folder = fetch(digest, blobs, tmp_path / "cache")
    for name, _ in verify(folder, None).files:
        assert (folder / name).read_bytes() == (bundle / name).read_bytes()
    assert fetch(digest, blobs, tmp_path / "cache") == folder
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [digest]


def test_a_fetched_bundle_is_admitted_with_its_signature_and_verdict(bundle: Path, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    digest = publish(bundle, blobs)
    signature = (bundle / "manifest.sig").read_text()
    folder = fetch(digest, blobs, tmp_path / "cache", signature=signature, verdict=seal(make_verdict(digest), KEY))
    assert admit(folder, PUBLIC)[1].model_digest == digest


def test_a_tampered_folder_is_not_published(bundle: Path, tmp_path: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"other")
    with pytest.raises(TamperedError, match=r"model.onnx"):
        publish(bundle, open_blobs(str(tmp_path / "blobs")))


def test_a_damaged_blob_is_not_fetched_and_leaves_nothing_behind(bundle: Path, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    digest = publish(bundle, blobs)
    blob = blobs.path(dict(verify(bundle, None).files)["model.onnx"])
    blob.chmod(0o644)
    blob.write_bytes(b"other")
    with pytest.raises(TamperedError):
        fetch(digest, blobs, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_tampered_cache_is_refused(bundle: Path, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    folder = fetch(publish(bundle, blobs), blobs, tmp_path / "cache")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(TamperedError, match=r"`model.onnx` was changed"):
        fetch(folder.name, blobs, tmp_path / "cache")


def test_a_bundle_that_was_never_published_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        fetch("0" * 64, open_blobs(str(tmp_path / "blobs")), tmp_path / "cache")


def test_a_manifest_with_a_hostile_name_writes_nothing_outside_the_cache(bundle: Path, tmp_path: Path) -> None:
    blobs = open_blobs(str(tmp_path / "blobs"))
    publish(bundle, blobs)
    text = (bundle / "manifest.json").read_bytes().replace(b'"MLmodel"', b'"../../x"')
    with pytest.raises(TamperedError, match="no place in a manifest"):
        fetch(blobs.put(text), blobs, tmp_path / "cache")
    assert not (tmp_path / "x").exists()
