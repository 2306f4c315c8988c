"""What holds for every kind of stored value."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codec_classes import same
from codec_samples import SAMPLES

from detent.errors import DetentError, StoreError, TamperedError
from detent.pipeline.artifacts import KINDS, Artifact, artifact_from_json, artifact_to_json
from detent.pipeline.codecs.manifest import blobs_of
from detent.pipeline.codecs.scratch import using_scratch
from detent.pipeline.codecs.table import dump, load
from detent.store.blobs import Blobs, FolderBlobs, open_blobs

Dumped = tuple[Artifact, Any, Any]  # with the value and its annotation
Store = Callable[[str, Blobs], Dumped]


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def stored(name: str, blobs: Blobs) -> Dumped:
        folder = tmp_path / "made"
        folder.mkdir(exist_ok=True)
        value, declared = SAMPLES[name](folder)
        return dump(value, blobs, declared=declared), value, declared

    return stored


def test_every_kind_has_a_sample(blobs: Blobs, store: Store) -> None:
    assert {store(name, blobs)[0].kind for name in SAMPLES} == set(KINDS)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_value_comes_back_and_stored_again_is_the_same_artifact(name: str, blobs: Blobs, store: Store) -> None:
    artifact, value, declared = store(name, blobs)
    back = load(artifact, blobs, declared=declared)
    assert same(back, value)
    assert dump(back, blobs, declared=declared) == artifact
    assert artifact_from_json(json.loads(json.dumps(artifact_to_json(artifact)))) == artifact


@pytest.mark.parametrize("name", SAMPLES)
def test_a_value_opens_from_the_blobs_that_are_named_for_it_and_from_no_fewer(
    name: str, blobs: Blobs, store: Store, tmp_path: Path
) -> None:
    artifact, value, declared = store(name, blobs)
    needed = set(blobs_of(artifact, blobs))
    assert set(artifact.blobs) <= needed
    copy = FolderBlobs(tmp_path / "copy")
    for digest in needed:
        copy.put(blobs.get(digest))
    assert same(load(artifact, copy, declared=declared), value)
    for digest in needed:
        data = copy.get(digest)
        copy.delete(digest)
        with pytest.raises(StoreError, match="missing"):
            load(artifact, copy, declared=declared)
        copy.put(data)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_altered_and_every_truncated_blob_is_noticed(name: str, blobs: Blobs, store: Store) -> None:
    artifact, _, declared = store(name, blobs)
    for digest in set(blobs_of(artifact, blobs)):
        path = blobs.path(digest)
        data = path.read_bytes()
        path.chmod(0o644)
        for wrong in (data[:-1], bytes([data[0] ^ 1]) + data[1:], data + b"\0", b""):
            path.write_bytes(wrong)
            with pytest.raises(TamperedError):
                load(artifact, blobs, declared=declared)
        path.write_bytes(data)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_value_opens_as_another_kind_with_a_stack_trace(name: str, blobs: Blobs, store: Store) -> None:
    artifact, _, _ = store(name, blobs)
    for kind in KINDS:
        for digest in blobs_of(artifact, blobs):
            with contextlib.suppress(DetentError):  # some do open: a file's text may be JSON
                load(Artifact(digest=digest, kind=kind), blobs)


def test_another_process_with_another_hash_seed_gives_the_same_digests(
    blobs: Blobs, store: Store, tmp_path: Path
) -> None:
    here = {name: artifact_to_json(store(name, blobs)[0]) for name in SAMPLES}
    code = (
        "import json, pathlib, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from codec_samples import SAMPLES\n"
        "from detent.pipeline.artifacts import artifact_to_json\n"
        "from detent.pipeline.codecs.table import dump\n"
        "from detent.store.blobs import FolderBlobs\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        "folder.mkdir()\n"
        "blobs, made = FolderBlobs(folder / 'blobs'), {}\n"
        "for name, sample in reversed(SAMPLES.items()):\n"
        "    value, declared = sample(folder)\n"
        "    made[name] = artifact_to_json(dump(value, blobs, declared=declared))\n"
        "print(json.dumps(made))"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": seed}
        command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / seed)]
        there = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        assert there == here


def test_values_go_into_an_object_store_and_come_back(store: Store, tmp_path: Path) -> None:
    remote = open_blobs("memory://detent-codecs", cache=tmp_path / "cache")
    with using_scratch(tmp_path / "scratch"):
        for name in SAMPLES:
            artifact, value, declared = store(name, remote)
            assert same(load(artifact, remote, declared=declared), value)
