from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from detent.store.lock import held_lock

from .commands import detent

HEAVY = ("pandas", "numpy", "sklearn", "mlflow", "sqlalchemy", "fastapi", "polars", "lightgbm", "onnxruntime")


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom detent.cli.main import main\n"
        f"sys.argv = ['detent', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.strip().endswith("HEAVY []"), done.stdout + done.stderr


def test_help_names_every_command(tmp_path: Path) -> None:
    from detent.cli.main import COMMANDS

    shown = detent("--help", cwd=tmp_path).stdout
    assert all(f"  {name} " in shown for name in COMMANDS)


def test_what_nobody_reads_to_its_end_is_no_success_and_no_trace() -> None:
    """`detent verify | head -1` must not pass for a verdict that was never reached."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "detent.cli.main", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_mistyped_command_suggests_the_right_one(tmp_path: Path) -> None:
    done = detent("simulat", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `simulate`" in done.stderr


def test_outside_a_project_the_error_says_how_to_begin(tmp_path: Path) -> None:
    done = detent("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "detent new" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["My Shop", "../up", "-x", ""])
def test_a_name_that_can_not_be_used_is_refused(tmp_path: Path, name: str) -> None:
    done = detent("new", "--", name, cwd=tmp_path)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_new_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")
    done = detent("new", "shop", cwd=tmp_path)
    assert done.returncode == 2
    assert "in the way" in done.stderr
    assert (tmp_path / "shop" / "mine.txt").read_text() == "mine"


def test_a_project_from_new_to_deployed_and_a_forged_row_in_its_ledger(tmp_path: Path) -> None:
    assert detent("new", "shop", cwd=tmp_path).returncode == 0
    shop = tmp_path / "shop"
    ran = detent("run", "--why", cwd=shop)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "It is version 1" in ran.stdout
    assert "unchanged" in detent("run", "--why", cwd=shop).stdout
    assert "promoted" in detent("deploy", "1", cwd=shop).stdout
    assert "version 1 answers 100 %; nobody serves now: detent up\n" in detent("status", cwd=shop).stdout
    assert "champion     version 1" in detent("at", "2100-01-01", cwd=shop).stdout
    assert "verdict.passed" in detent("log", "--kind", "verdict", cwd=shop).stdout
    assert detent("verify", cwd=shop).stdout.startswith("intact")

    unknown = detent("sabotage", "constnt", cwd=shop)
    assert unknown.returncode == 2
    assert "did you mean `constant`" in unknown.stderr
    assert "refused by the gate" in detent("sabotage", "constant", cwd=shop).stdout
    nothing = detent("rollback", cwd=shop)
    assert nothing.returncode == 3
    assert "nothing to roll back" in nothing.stderr

    yaml = (shop / "detent.yaml").read_text()
    (shop / "detent.yaml").write_text("name: [")
    alone = detent("verify", cwd=shop)
    assert (alone.returncode, alone.stdout[:6]) == (0, "intact"), alone.stderr
    assert "only the ledger was checked" in alone.stderr
    (shop / "detent.yaml").write_text(yaml)

    with sqlite3.connect(shop / ".detent" / "detent.db") as db:
        db.execute("UPDATE versions SET run = 'run-0007'")
    forged = detent("verify", cwd=shop)
    assert forged.returncode == 4
    assert "version shop/1 was edited: its run" in forged.stdout
    refused = detent("up", "--port", "0", cwd=shop)
    assert refused.returncode == 4
    assert "version shop/1 was edited" in refused.stderr

    with sqlite3.connect(shop / ".detent" / "detent.db") as db:
        db.execute("UPDATE ledger SET actor = 'somebody else' WHERE seq = 3")
    broken = detent("verify", cwd=shop)
    assert broken.returncode == 4
    assert "event 3" in broken.stdout
    (shop / ".detent" / "keys" / "signing.key").unlink()
    keyless = detent("verify", cwd=shop)
    assert keyless.returncode == 4
    assert "event 3" in keyless.stdout
    assert "signing key of this state is gone" in keyless.stdout


def test_a_second_up_says_at_once_that_the_first_one_serves(tmp_path: Path) -> None:
    assert detent("new", "shop", cwd=tmp_path).returncode == 0
    state = tmp_path / "shop" / ".detent"
    with held_lock(state / "up.lock", what="", why="", fix=""):
        done = detent("up", cwd=tmp_path / "shop")
    assert done.returncode == 5
    assert "detent up is running already" in done.stderr
    assert f"process {os.getpid()} serves" in done.stderr


def test_two_runs_at_once_share_the_work_and_make_one_version(tmp_path: Path) -> None:
    assert detent("new", "shop", cwd=tmp_path).returncode == 0
    shop = tmp_path / "shop"
    command = [sys.executable, "-m", "detent.cli.main", "run"]
    runs = [subprocess.Popen(command, cwd=shop, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=240)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert all("It is version 1" in text for text in said)
    db = sqlite3.connect(shop / ".detent" / "detent.db")
    assert db.execute("SELECT COUNT(*) FROM step_runs WHERE outcome = 'ran'").fetchone() == (3,)
    assert db.execute("SELECT COUNT(*) FROM ledger WHERE kind = 'version.registered'").fetchone() == (1,)
    assert detent("verify", cwd=shop).returncode == 0
