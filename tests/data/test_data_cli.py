"""The commands as people type them, on a real project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import polars as pl
import pytest
from click.testing import CliRunner, Result
from data_archive import write_files

from detent.cli.data import command
from detent.cli.scaffold import scaffold
from detent.data.parts import take_snapshot
from detent.data.store import save
from detent.errors import DetentError
from detent.loop.workspace import open_workspace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scaffold(tmp_path_factory.mktemp("template") / "shop", name="shop", template="tabular")


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "shop")
    return tmp_path / "shop"


def data(project: Path, *words: str) -> str:
    """Run `detent data ...` and return what it printed; an error is raised as it is."""
    done: Result = CliRunner().invoke(command, list(words), obj=project)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def as_json(project: Path, *words: str) -> list[dict]:
    return [json.loads(line) for line in data(project, *words, "--json").splitlines()]


def cut(project: Path) -> None:
    """Cut the project's table as a run does."""
    ws = open_workspace(project)
    for source in ws.project.data:
        frame = pl.read_parquet(project / source.source)
        snapshot = take_snapshot(frame, dataset=source.name, source=source.source, as_of=ws.now(), blobs=ws.blobs)
        with ws.db.transaction() as tx:
            save(tx, snapshot, ws.now())
    ws.db.close()


def test_a_folder_is_added_compared_tagged_and_checked_out(project: Path, tmp_path: Path) -> None:
    source = write_files(tmp_path / "pictures", {"a.png": b"1", "b.png": b"22", "old/c.png": b"333"})
    (added,) = as_json(project, "add", str(source), "-m", "the first ones")
    assert (added["new"], added["files"], added["bytes"]) == (True, 3, 6)
    (source / "a.png").write_bytes(b"4444")
    (source / "b.png").rename(source / "z.png")
    (source / "old" / "c.png").unlink()
    write_files(source, {"line\nbreak": b"5"})
    data(project, "add", str(source))
    shown = data(project, "diff", "pictures")
    assert "1 added, 1 removed, 1 changed, 1 renamed; +1 B" in shown
    assert "> b.png -> z.png" in shown
    assert r"+ 'line\nbreak'" in shown
    assert data(project, "diff", "pictures", "pictures").endswith("the contents are the same\n")
    (found,) = as_json(project, "diff", "pictures~1", "pictures")
    assert [change["path"] for change in found["files"]["added"]] == ["line\nbreak"]
    assert "pictures@good ->" in data(project, "tag", "pictures~1", "good")
    assert "right already: 0" in data(project, "checkout", "pictures@good", str(tmp_path / "out"))
    assert (tmp_path / "out" / "old" / "c.png").read_bytes() == b"333"
    newest, first = as_json(project, "log", "pictures")
    assert (first["tags"], first["message"], newest["parent"]) == (["good"], "the first ones", first["version"])
    log = data(project, "log", "pictures")
    assert "@good" in log
    assert "the first ones" in log
    assert "is gone" in data(project, "tag", "pictures", "good", "--remove")
    with pytest.raises(DetentError, match="no version `good`"):
        data(project, "checkout", "pictures@good", str(tmp_path / "elsewhere"))


def test_the_tables_that_runs_cut_have_a_history_too(project: Path, tmp_path: Path) -> None:
    cut(project)
    path = project / "data" / "orders.parquet"
    rows = pl.read_parquet(path)
    changed = rows.with_columns(pl.col("price") * 2).tail(rows.height - 10)
    changed.write_parquet(path)
    cut(project)
    newest, first = as_json(project, "log", "orders")
    assert (newest["kind"], newest["rows"], first["rows"]) == ("cut", rows.height - 10, rows.height)
    assert newest["parent"] == first["version"]
    shown = data(project, "diff", "orders~1", "orders")
    assert "rows by order_id: 0 added, 10 removed" in shown  # the key that detent.yaml declares
    assert "changed rows differ in: price" in shown
    data(project, "checkout", "orders~1", str(tmp_path / "out"))
    assert pl.read_parquet(tmp_path / "out" / "*.parquet").equals(rows)
    assert "orders" in data(project, "log")


def test_a_project_without_a_model_has_versions_too(tmp_path: Path) -> None:
    project = write_files(
        tmp_path / "steps",
        {
            "detent.yaml": b"project: steps\npipeline: steps.py:flow\ndata:\n  d: {source: d.csv}\n",
            "steps.py": b"from detent import pipeline\n\n\n@pipeline\ndef flow(d):\n    return {}\n",
        },
    )
    source = write_files(tmp_path / "in", {"f": b"1"})
    (added,) = as_json(project, "add", str(source), "--name", "d")
    assert added["author"].startswith("cli:")
    assert "newest version of d" in data(project, "gc", "--keep-last", "1")


def test_a_pointer_file_is_enough_to_check_out(project: Path, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"f": b"1"})
    (added,) = as_json(project, "add", str(source), "--name", "d")
    (source / "f").write_bytes(b"22")
    data(project, "add", str(source), "--name", "d", "--rehash")
    pointer = tmp_path / "from-git" / "d.detent.json"
    write_files(pointer.parent, {pointer.name: Path(added["pointer"]).read_bytes()})
    assert json.loads(pointer.read_text())["bytes"] == 2
    clone = tmp_path / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns(".detent"))
    (clone / ".detent").mkdir()
    (clone / ".detent" / "blobs").symlink_to(project / ".detent" / "blobs")
    data(clone, "checkout", str(pointer), str(tmp_path / "out"))
    assert (tmp_path / "out" / "f").read_bytes() == b"22"
    pointer.write_text("{}")
    with pytest.raises(DetentError, match="is no pointer"):
        data(clone, "checkout", str(pointer), str(tmp_path / "out"))


def test_the_collection_is_a_dry_run_until_told(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for number in range(3):
        write_files(source, {"f": bytes([number]) * 1000})
        data(project, "add", str(source), "--name", "d", "--rehash")
    words = ("gc", "--keep-last", "1", "--grace", "0s", "--wait", "0s")
    shown = data(project, *words)
    assert "would go" in shown
    assert "newest version of d" in shown
    assert "dry run" in shown
    (report,) = as_json(project, *words)
    assert report["deleted"] == []
    (report,) = as_json(project, *words, "--delete")
    assert sum(size for _, size in report["deleted"]) > 2000
    assert [version["collected"] for version in as_json(project, "log", "d")] == [False, True, True]
    with pytest.raises(DetentError, match="missing"):
        data(project, "checkout", "d~1", str(tmp_path / "out"))
    assert "collected" in data(project, "log", "d")
    with pytest.raises(AssertionError, match="no duration"):
        data(project, "gc", "--grace", "soon")


def test_a_version_goes_to_a_folder_or_a_url(project: Path, tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"a/f": b"1", "g": b"22"})
    data(project, "add", str(source), "--name", "d")
    data(project, "export", "d", str(tmp_path / "out"))
    assert (tmp_path / "out" / "a" / "f").read_bytes() == b"1"
    url = f"memory://{tmp_path.name}"
    assert "2 files" in data(project, "export", "d", url)
    assert fsspec.filesystem("memory").cat_file(f"/{tmp_path.name}/a/f") == b"1"
    with pytest.raises(DetentError, match="something at"):
        data(project, "export", "d", url)
    data(project, "export", "d", url, "--force")
    with pytest.raises(AssertionError, match="TARGET, or --dvc"):
        data(project, "export", "d")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("log", "orderz"), "no dataset `orderz`"),
        (("diff", "a@b@c"), "names no version"),
        (("diff", "d~5"), "goes back too far"),
        (("tag", "d", "cafe"), "can't be a tag"),
        (("tag", "d", "nope", "--remove"), "has no tag"),
        (("checkout", "d@12345678", "x"), "no version `12345678`"),
        (("import", "dvc", "nothing.dvc"), "can't be read as a DVC file"),
        (("add", "s3://x", "--move"), "can't be moved"),
    ],
)
def test_mistakes_say_what_is_wrong_and_how_to_mend_it(project: Path, tmp_path: Path, words, what: str) -> None:
    data(project, "add", str(write_files(tmp_path / "in", {"f": b"1"})), "--name", "d")
    with pytest.raises(DetentError, match=what) as caught:
        data(project, *words)
    assert caught.value.fix


def test_help_needs_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom detent.cli.data import command\n"
        "for words in ([], ['add'], ['gc']):\n"
        "    done = CliRunner().invoke(command, [*words, '--help'])\n"
        "    assert done.exit_code == 0 and 'Usage' in done.output\n"
        "print([name for name in ('polars', 'fsspec', 'pyarrow', 'numpy', 'rich') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
