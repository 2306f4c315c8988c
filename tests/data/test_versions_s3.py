"""Versions in and out of S3, against a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_archive import checkout, contents, make_archive, write_files

from detent.data.dvc.read import import_dvc
from detent.data.dvc.write import export_dvc
from detent.data.versions.archive import Wish, add_version
from detent.data.versions.export import export_url
from detent.data.versions.store import root_of
from detent.errors import DataError, DetentError
from detent.store.blobs import open_blobs

pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")

FILES = {"a/b": b"1", "a/c": b"22", "é x": b"333", "big": b"4" * (9 << 20)}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A filesystem of an S3 server of its own, with the bucket `lake`."""
    from moto.server import ThreadedMotoServer  # pyright: ignore[reportMissingImports]

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    if files.exists("lake"):
        files.rm("lake", recursive=True)  # the server keeps what earlier tests put there
    files.makedirs("lake", exist_ok=True)
    yield files
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def only_files(folder: Path) -> dict[str, bytes | str]:
    return {name: data for name, data in contents(folder).items() if data != "/"}


def test_a_prefix_is_added_once_and_comes_back(s3: Any, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "project")
    for name, data in FILES.items():
        s3.pipe_file(f"lake/photos/{name}", data)
    s3.pipe_file("lake/photos-not-these/x", b"0")
    s3.touch("lake/photos/empty/")  # as consoles mark an empty folder
    added = add_version(archive, "s3://lake/photos", Wish())
    assert (added.version.dataset, added.read_files) == ("photos", 4)
    checkout(archive, added.version, tmp_path / "out")
    assert only_files(tmp_path / "out") == FILES
    s3.pipe_file("lake/photos/a/c", b"44")
    again = add_version(archive, "s3://lake/photos", Wish())
    assert (again.new, again.read_files) == (True, 1)
    with pytest.raises(DataError, match="there is nothing"):
        add_version(archive, "s3://lake/none", Wish())
    with pytest.raises(DetentError):
        add_version(archive, "s3://no-such-bucket-here/x", Wish())


def test_versions_live_in_a_store_in_s3(s3: Any, tmp_path: Path) -> None:
    local = make_archive(tmp_path / "project")
    archive = replace(local, blobs=open_blobs("s3://lake/store", cache=tmp_path / "cache"))
    version = add_version(archive, str(write_files(tmp_path / "in", FILES)), Wish(name="d")).version
    fresh = replace(archive, blobs=open_blobs("s3://lake/store", cache=tmp_path / "another cache"))
    checkout(fresh, version, tmp_path / "out")
    assert only_files(tmp_path / "out") == FILES
    assert add_version(fresh, str(tmp_path / "in"), Wish(name="d")).read_files == 0


def test_a_version_is_exported_and_added_again(s3: Any, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "project")
    version = add_version(archive, str(write_files(tmp_path / "in", FILES)), Wish(name="d")).version
    assert export_url(root_of(version, archive.blobs), archive.blobs, "s3://lake/copy") == 4
    assert add_version(archive, "s3://lake/copy", Wish(name="d")).version.id == version.id


def test_a_dvc_remote_in_s3_is_written_and_read(s3: Any, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "project")
    repository = tmp_path / "repo"
    (repository / ".dvc").mkdir(parents=True)
    config = "[core]\n    remote = far\n['remote \"far\"']\n    url = s3://lake/dvc\n"
    (repository / ".dvc" / "config").write_text(config)
    version = add_version(archive, str(write_files(tmp_path / "in", FILES)), Wish(name="d")).version
    done = export_dvc(root_of(version, archive.blobs), archive.blobs, repository, name="d", remote="far")
    assert s3.exists(f"lake/dvc/files/md5/{done.md5[:2]}/{done.md5[2:]}")
    other = make_archive(tmp_path / "other")
    assert import_dvc(other, repository / "d.dvc")[0][0].id == version.id
