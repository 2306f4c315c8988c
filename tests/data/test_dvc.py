from __future__ import annotations

import hashlib
import json
from pathlib import Path

import fsspec
import pytest
import yaml
from data_archive import checkout, contents, make_archive, write_files
from dvc_environment import run_dvc

from detent.data.dvc.files import places, read_outputs
from detent.data.dvc.objects import is_text
from detent.data.dvc.read import import_dvc
from detent.data.dvc.write import export_dvc
from detent.data.versions import store
from detent.data.versions.archive import Archive, Wish, add_version
from detent.data.versions.store import root_of
from detent.errors import DataError, DetentError, TamperedError
from detent.store import ledger

FILES = {"a/b/c.bin": b"\x00\x01", "a/b.txt": b"line\r\nline\r\n", "a b ü": b"", "z": b"z" * 9_000_000}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return make_archive(tmp_path / "project")


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def write_repository(folder: Path, files: dict[str, bytes], *, legacy: bool, remote: str = "") -> Path:
    """Write what DVC 2 (`legacy`) or DVC 3 leaves after `dvc add data`; objects go to the cache or to a remote."""
    root = folder / ".dvc"
    root.mkdir(parents=True)
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {remote}\n" if remote else ""
    (root / "config").write_text(config)
    base = remote if remote.startswith("memory://") else str(root / remote if remote else root / "cache")

    def put(name: str, data: bytes) -> None:
        layout = f"{name[:2]}/{name[2:]}" if legacy else f"files/md5/{name[:2]}/{name[2:]}"
        filesystem, path = fsspec.core.url_to_fs(f"{base}/{layout}")
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(path, data)

    listed = []
    for name, data in sorted(files.items()):
        text = data.replace(b"\r\n", b"\n") if legacy and is_text(data) else data  # DVC 2 hashed texts so
        put(md5(text), data)
        listed.append({"md5": md5(text), "relpath": name})
    tree = json.dumps(listed, sort_keys=True).encode()
    put(f"{md5(tree)}.dir", tree)
    out = {"md5": f"{md5(tree)}.dir", "size": sum(map(len, files.values())), "nfiles": len(files), "path": "data"}
    (folder / "data.dvc").write_text(yaml.safe_dump({"outs": [out if legacy else out | {"hash": "md5"}]}))
    return folder


def only_files(folder: Path) -> dict[str, bytes | str]:
    return {name: data for name, data in contents(folder).items() if data != "/"}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("remote", ["", "../../remote", "memory://dvc-remote"])
def test_a_folder_of_either_layout_comes_from_cache_or_remote(
    archive: Archive, tmp_path: Path, legacy: bool, remote: str
) -> None:
    remote = f"{remote}-{legacy}" if remote else ""
    repository = write_repository(tmp_path / "repo", FILES, legacy=legacy, remote=remote)
    ((version, new),) = import_dvc(archive, repository / "data.dvc")
    assert (version.dataset, new, version.files) == ("data", True, 4)
    checkout(archive, version, tmp_path / "out")
    assert only_files(tmp_path / "out") == FILES
    (event,) = ledger.read(archive.db, kind="data.imported")
    assert event.payload["version"] == version.id
    assert import_dvc(archive, repository / "data.dvc")[0][1] is False
    assert not list(archive.scratch.iterdir())


def test_an_imported_folder_is_the_same_version_as_the_added_one(archive: Archive, tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repo", FILES, legacy=False)
    imported = import_dvc(archive, repository / "data.dvc")[0][0]
    assert add_version(archive, str(write_files(tmp_path / "in", FILES)), Wish(name="data")).version.id == imported.id


def test_an_altered_object_is_refused(archive: Archive, tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repo", {"f": b"good"}, legacy=False)
    name = md5(b"good")
    place = repository / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]
    place.write_bytes(b"evil")
    with pytest.raises(TamperedError, match="altered") as caught:
        import_dvc(archive, repository / "data.dvc")
    assert caught.value.where is not None
    assert str(place) in str(caught.value.where)
    place.unlink()
    with pytest.raises(DataError, match="nowhere") as caught_missing:
        import_dvc(archive, repository / "data.dvc")
    assert "dvc fetch" in caught_missing.value.fix
    assert store.datasets(archive.db) == []


def test_a_list_that_would_leave_its_folder_is_refused(archive: Archive, tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repo", {"../evil": b"1"}, legacy=False)
    with pytest.raises(DataError, match="list of the folder") as caught:
        import_dvc(archive, repository / "data.dvc")
    assert "../evil" in caught.value.why


def test_every_output_of_a_lock_file_becomes_a_dataset(archive: Archive, tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "repo", {"f": b"12345678"}, legacy=False)
    kept = f"hash: md5\n      md5: {md5(b'12345678')}\n"
    lock = (
        "schema: '2.0'\nstages:\n  make:\n    cmd: python make.py\n    outs:\n"
        f"    - path: out/model.bin\n      isexec: true\n      {kept}"
        f"  prepare@eu:\n    outs:\n    - path: out/table.csv\n      {kept}"
    )
    (repository / "dvc.lock").write_text(lock)
    imported = import_dvc(archive, repository / "dvc.lock")
    assert [version.dataset for version, _ in imported] == ["model", "table"]
    checkout(archive, imported[0][0], tmp_path / "model")
    assert (tmp_path / "model").stat().st_mode & 0o100
    with pytest.raises(DataError, match="names 2 outputs"):
        import_dvc(archive, repository / "dvc.lock", name="one")
    ((one, _),) = import_dvc(archive, repository / "dvc.lock", name="one", out="out/table.csv")
    assert one.dataset == "one"
    with pytest.raises(DataError, match="no output `nope`"):
        import_dvc(archive, repository / "dvc.lock", out="nope")


@pytest.mark.parametrize(
    "text",
    ["", "outs: 7", "outs:\n- path: x\n  md5: ../../etc/passwd", "outs:\n- path: x\n  etag: e", "a: [", "outs: []"],
)
def test_files_that_are_no_dvc_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.dvc").write_text(text)
    with pytest.raises(DataError, match="can't be read as a DVC file"):
        read_outputs(tmp_path / "x.dvc")


def test_an_md5_of_digits_only_stays_a_text(tmp_path: Path) -> None:
    (tmp_path / "x.dvc").write_text("outs:\n- path: x\n  md5: 01234567890123456789012345678901\n")
    assert read_outputs(tmp_path / "x.dvc")[0].md5 == "01234567890123456789012345678901"


def test_local_settings_override_the_config_and_the_default_remote_comes_first(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    remote = b\n['remote \"a\"']\n    url = ../a\n['remote \"b\"']\n    url = s3://bucket/b\n"
        "    endpointurl = http://old\n[cache]\n    dir = ../../shared\n"
    )
    (tmp_path / ".dvc" / "config.local").write_text(
        "['remote \"b\"']\n    endpointurl = http://127.0.0.1:9\n    access_key_id = k\n    secret_access_key = s\n"
    )
    cache, first, second = places(tmp_path)
    assert Path(cache.url).resolve() == (tmp_path.parent / "shared").resolve()
    assert (first.name, first.url) == ("b", "s3://bucket/b")
    assert first.options == {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}}
    assert second.url == str((tmp_path / "a").resolve())


def test_an_export_needs_a_repository_and_no_links(archive: Archive, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"f": b"1"})
    (source / "link").symlink_to("f")
    root = root_of(add_version(archive, str(source), Wish(name="d")).version, archive.blobs)
    (tmp_path / "repo").mkdir()
    with pytest.raises(DataError, match="no DVC repository"):
        export_dvc(root, archive.blobs, tmp_path / "repo", name="d")
    (tmp_path / "repo" / ".dvc").mkdir()
    with pytest.raises(DataError, match="link"):
        export_dvc(root, archive.blobs, tmp_path / "repo", name="d")
    with pytest.raises(DetentError, match="no DVC remote `nope`"):
        export_dvc(root, archive.blobs, tmp_path / "repo", name="d", remote="nope")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    run_dvc(folder, "init", "--no-scm", "-q")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_dvc_checks_out_what_was_exported_and_calls_it_up_to_date(
    archive: Archive, tmp_path: Path, repository: Path
) -> None:
    source = write_files(tmp_path / "in", FILES)
    version = add_version(archive, str(source), Wish(name="d")).version
    done = export_dvc(root_of(version, archive.blobs), archive.blobs, repository, name="d")
    run_dvc(repository, "checkout")
    assert only_files(repository / "d") == FILES
    assert "up to date" in run_dvc(repository, "status")
    run_dvc(repository, "add", "d", "-q")  # DVC makes of the files what we made
    assert yaml.safe_load((repository / "d.dvc").read_text())["outs"][0]["md5"] == done.md5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_dvc_pulls_from_a_remote_that_was_written_here(
    archive: Archive, tmp_path: Path, repository: Path
) -> None:
    run_dvc(repository, "remote", "add", "-d", "store", str(tmp_path / "remote"))
    folder = add_version(archive, str(write_files(tmp_path / "in", FILES)), Wish(name="d")).version
    (tmp_path / "in" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "in" / "run.sh").chmod(0o755)
    single = add_version(archive, str(tmp_path / "in" / "run.sh"), Wish(name="tool")).version
    for version in (folder, single):
        root = root_of(version, archive.blobs)
        export_dvc(root, archive.blobs, repository, name=version.dataset, remote="store")
    assert not (repository / ".dvc" / "cache").exists()
    run_dvc(repository, "pull")
    assert only_files(repository / "d") == FILES
    assert (repository / "run.sh").stat().st_mode & 0o100
    assert "up to date" in run_dvc(repository, "status")
    assert "in sync" in run_dvc(repository, "status", "--cloud")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_the_real_dvc_added_and_pushed_is_imported(archive: Archive, tmp_path: Path, repository: Path) -> None:
    write_files(repository / "data", FILES)
    run_dvc(repository, "remote", "add", "-d", "store", str(tmp_path / "remote"))
    run_dvc(repository, "add", "data", "-q")
    run_dvc(repository, "stage", "add", "-n", "copy", "-d", "data", "-o", "out.txt", "cp 'data/a/b.txt' out.txt")
    run_dvc(repository, "repro", "-q")
    run_dvc(repository, "push", "-q")
    from_cache = import_dvc(archive, repository / "data.dvc")[0][0]
    checkout(archive, from_cache, tmp_path / "out")
    assert only_files(tmp_path / "out") == FILES
    ((stage, _),) = import_dvc(archive, repository / "dvc.lock")
    assert (stage.dataset, stage.bytes) == ("out", len(FILES["a/b.txt"]))
    other = make_archive(tmp_path / "other")
    (repository / ".dvc" / "cache").rename(tmp_path / "cache-is-gone")
    assert import_dvc(other, repository / "data.dvc")[0][0].id == from_cache.id
