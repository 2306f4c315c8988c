"""A project without a model, from the command line: run, nothing to do, plan, accept, reproduce, scrub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = """
project: sales
pipeline: pipeline.py:nightly
params: {factor: 2}
data:
  rows: {source: rows.csv}
"""
PIPELINE = """
import polars as pl
from detent.pipeline import pipeline, step
from helpers import scale


@step
def scaled(rows: pl.DataFrame, factor: int) -> pl.DataFrame:
    return scale(rows, factor)


@step
def total(rows: pl.DataFrame) -> int:
    return int(rows["x"].sum())


@step(changes="ttl 6h")
def asked() -> int:
    return 1


@pipeline
def nightly(rows, factor):
    return {"total": total(scaled(rows, factor)), "asked": asked()}
"""
HELPERS = "import polars as pl\n\n\ndef scale(rows, factor):\n    return rows.with_columns(pl.col('x') * factor)\n"

Detent = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "detent.yaml").write_text(PROJECT)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "helpers.py").write_text(HELPERS)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    return tmp_path


@pytest.fixture
def detent(folder: Path) -> Detent:
    def run(*words: str, status: int = 0, code: str = "") -> subprocess.CompletedProcess[str]:
        start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "detent.cli.main"]
        # A terminal is as wide as it is; the same width everywhere keeps lines whole.
        environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
        done = subprocess.run(
            [*start, "-C", str(folder), *words], capture_output=True, text=True, env=environment, timeout=240
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return run


def age(folder: Path) -> None:
    """Make every file look as if it had been at rest for a while, as it is when people come back."""
    for path in folder.rglob("*"):
        if path.is_file() and ".detent" not in path.parts:
            os.utime(path, (1_700_000_000, 1_700_000_000))


# `detent` in a process that says in the end what it has imported.
IMPORTS = (
    "import sys, atexit; atexit.register(lambda: print('MODULES', *sorted(sys.modules)))\n"
    "from detent.cli.main import main; main()"
)


def test_a_run_in_which_nothing_changed_does_nothing_and_imports_nothing(folder: Path, detent: Detent) -> None:
    age(folder)
    first = detent("run").stdout
    assert "3 of 3 steps ran." in first
    again = detent("run", "--why", code=IMPORTS).stdout
    assert "Nothing changed since run-0001: 3 steps are as they were." in again
    assert again.count("hit      unchanged") == 3
    modules = set(again.partition("MODULES ")[2].split())
    heavy = {
        "numpy",
        "polars",
        "pandas",
        "pyarrow",
        "yaml",
        "rich",
        "lark",
        "msgspec",
        "sqlalchemy",
        "mlflow",
        "pipeline",
    }
    assert "detent.loop.runs.unchanged" in modules
    assert not heavy & modules
    (folder / "rows.csv").write_text("x\n1\n2\n3\n4\n")
    changed = detent("run", "--why").stdout
    assert "input rows changed: +1 rows (3 -> 4)" in changed
    assert "2 of 3 steps ran." in changed
    assert "Nothing changed since run-0002" in detent("run").stdout


def test_a_library_that_sets_variables_when_it_is_imported_is_no_change(
    folder: Path, detent: Detent, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers = HELPERS.replace("* factor", "* factor * int(os.environ['OF_A_LIBRARY'])")
    (folder / "helpers.py").write_text(f"import os\n\nos.environ.setdefault('OF_A_LIBRARY', '1')\n{helpers}")
    age(folder)
    monkeypatch.delenv("OF_A_LIBRARY", raising=False)
    assert "3 of 3 steps ran." in detent("run").stdout
    assert "Nothing changed since run-0001" in detent("run").stdout
    monkeypatch.setenv("OF_A_LIBRARY", "3")
    assert "read OF_A_LIBRARY, which has changed" in detent("run").stdout
    assert "Nothing changed since run-0002" in detent("run").stdout


def test_plan_shows_the_diff_and_accept_keeps_the_last_result(folder: Path, detent: Detent) -> None:
    detent("run")
    assert "3 hits, 0 will run" in detent("plan").stdout
    (folder / "helpers.py").write_text("# a comment\n" + HELPERS)
    assert "3 hits, 0 will run" in detent("plan").stdout
    (folder / "helpers.py").write_text(HELPERS.replace("* factor", "* factor * 1"))
    planned = detent("plan").stdout
    assert "scaled               run     code of helpers.py:scale changed" in planned
    assert "-    return rows.with_columns(pl.col('x') * factor)" in planned
    assert "+    return rows.with_columns(pl.col('x') * factor * 1)" in planned
    assert "total                maybe" in planned
    told = [json.loads(line) for line in detent("plan", "--json").stdout.splitlines()]
    assert {step["step"]: step["state"] for step in told} == {"scaled": "run", "total": "maybe", "asked": "hit"}
    refused = detent("accept", "total", "--reason", "no", status=3)
    assert "nothing to accept at `total`" in refused.stderr
    detent("accept", "scaled", "--reason", "multiplying by one")
    assert "3 hits, 0 will run" in detent("plan").stdout
    assert "accepted: " in detent("run", "--why").stdout
    assert "multiplying by one" in detent("log").stdout
    (folder / "detent.yaml").write_text(PROJECT.replace("factor: 2", "factor: 5"))
    assert "param factor 2 -> 5" in detent("plan").stdout
    refused = detent("accept", "scaled", "--reason", "no", status=3)
    assert "not only its code is different: param factor 2 -> 5" in refused.stderr


def test_reproduce_compares_byte_by_byte_and_names_what_is_not_deterministic(folder: Path, detent: Detent) -> None:
    text = PIPELINE.replace("    return 1", "    import time\n    return time.time_ns()")
    (folder / "pipeline.py").write_text(text)
    detent("run")
    (folder / "helpers.py").write_text("raise SystemError('the working copy is not used')")
    (folder / "rows.csv").unlink()
    told = detent("reproduce", "run-0001", status=1).stdout
    assert "scaled               same      same bytes" in told
    assert "asked                different not deterministic: the same work gave other bytes for result" in told
    assert "2 of 3 steps gave the same bytes." in told
    assert "no run `run-0009` to reproduce" in detent("reproduce", "run-0009", status=2).stderr


def test_a_damaged_result_is_found_by_scrub_and_made_anew(folder: Path, detent: Detent) -> None:
    age(folder)
    detent("run")
    blobs = [
        path for path in (folder / ".detent" / "blobs").rglob("*") if path.is_file() and len(path.parent.name) == 2
    ]
    frames = [path for path in blobs if path.read_bytes().startswith(b"PAR1")]
    assert len(frames) == 2  # the dataset and what `scaled` made of it
    assert "0 damaged" in detent("scrub").stdout
    for frame in frames:
        frame.chmod(0o644)
        data = bytearray(frame.read_bytes())
        data[len(data) // 2] ^= 1
        frame.write_bytes(bytes(data))
    assert "2 damaged" in detent("scrub", status=1).stdout
    assert "1 of 3 steps ran." in detent("run").stdout
    assert "Nothing changed" in detent("run").stdout


def test_mistakes_are_told_and_no_stack_trace_is_shown(folder: Path, detent: Detent) -> None:
    told = detent("run", "--executor", "rey", status=2).stderr
    assert "did you mean `ray`" in told
    assert "Traceback" not in told
    wrong = PIPELINE.replace("def total(rows: pl.DataFrame) -> int:", "def total(rows: pl.DataFrame) -> str:")
    (folder / "pipeline.py").write_text(wrong)
    failed = detent("run", status=2).stdout
    assert "failed" in failed
    assert "Traceback" not in failed


def test_a_promise_that_only_warns_is_shown_by_the_run(folder: Path, detent: Detent) -> None:
    kept = "{source: rows.csv}"
    text = (folder / "detent.yaml").read_text()
    (folder / "detent.yaml").write_text(
        text.replace(kept, "\n    source: rows.csv\n    expect: [range(x) in 0..2 -> warn]")
    )
    said = detent("run").stdout
    assert "rows                 warning  range(x) in 0..2" in said
    assert "(1 row)" in said
    assert "detent data check --last" in said


def test_the_ledger_of_a_project_without_a_model_is_verified(detent: Detent) -> None:
    detent("run")
    done = detent("verify")
    assert done.stdout.startswith("intact: ")
    assert done.stderr == ""


def test_a_file_that_ends_the_process_is_named(folder: Path, detent: Detent) -> None:
    (folder / "helpers.py").write_text("import sys\nsys.exit(0)\n")
    said = detent("run", status=2).stderr
    assert "SystemExit" in said
    assert "pipeline.py:4" in said
