"""What a step reads besides its arguments: declared, it is in the key; undeclared, it is noticed, compared and told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pipeline_project import FixedClock, Project, outcomes, whys

from detent.errors import ProjectError
from detent.pipeline import store
from detent.pipeline.schedule import How

HEAD = """
import os
import polars as pl
from pathlib import Path
from detent.pipeline import checkpoint, pipeline, secret, step
"""


def only(project: Project, body: str, mark: str = "@step") -> None:
    """Write a project with one step `read`."""
    text = f"{HEAD}\n{mark}\ndef read() -> object:\n    {body}\n\n@pipeline\ndef flow():\n    return read()\n"
    project.write(steps_under_test=text)


def outcome(project: Project, **given: object) -> tuple[str, str, object]:
    """Run it and return (outcome, why, value)."""
    result = project.run({}, **given)  # type: ignore[arg-type]
    assert not result.errors, result.errors[0]
    return outcomes(result)["read"], whys(result)["read"], result.value("result")


READERS = [
    'return Path("note.txt").read_text()',
    'return open("note.txt").read()',
    'return pl.read_csv("note.txt", has_header=False).item()',
    'return pl.scan_csv("note.txt", has_header=False).collect().item()',
    'import subprocess; return subprocess.run(["cat", "note.txt"], capture_output=True, text=True).stdout',
]


@pytest.mark.parametrize("body", READERS)
def test_a_file_that_is_read_without_being_declared_is_noticed_and_compared(project: Project, body: str) -> None:
    note = project.workspace.folder / "note.txt"
    note.write_text("old")
    only(project, body)
    assert outcome(project) == ("ran", "first run", "old")
    assert any("read note.txt, which it does not declare" in detail for _, _, detail in project.said)
    assert outcome(project) == ("hit", "unchanged", "old")
    note.write_text("new")
    assert outcome(project) == ("ran", "read note.txt, which has changed", "new")
    note.write_text("old")
    assert outcome(project)[::2] == ("hit", "old"), "what was known of the old bytes counts again"


def test_a_declared_file_is_part_of_the_key_and_no_reason_to_warn(project: Project) -> None:
    note = project.workspace.folder / "note.txt"
    note.write_text("old")
    only(project, READERS[0], '@step(files=["*.txt"])')
    assert outcome(project)[0] == "ran"
    assert not [state for _, state, _ in project.said if state == "warning"]
    note.write_text("new")
    assert outcome(project) == ("ran", "file note.txt changed", "new")
    (project.workspace.folder / "more.txt").write_text("more")
    assert outcome(project)[1] == "file more.txt changed"


def test_a_variable_is_noticed(project: Project) -> None:
    only(project, 'return len(os.environ.get("MY_MODE", ""))')
    outcome(project)
    assert any("read MY_MODE, which it does not declare" in detail for _, _, detail in project.said)
    only(project, 'return len(os.environ.get("MY_MODE", ""))', '@step(env=["MY_MODE"])')
    assert outcome(project)[0] == "ran"
    assert outcome(project)[0] == "hit"


def test_a_file_that_appears_where_none_was_is_noticed(project: Project) -> None:
    only(project, 'return Path("maybe.txt").read_text() if Path("maybe.txt").exists() else "nothing"')
    assert outcome(project)[2] == "nothing"
    assert outcome(project)[0] == "hit"
    (project.workspace.folder / "maybe.txt").write_text("there")
    assert outcome(project)[::2] == ("ran", "there")


def test_a_folder_that_is_listed_is_noticed(project: Project) -> None:
    (project.workspace.folder / "inbox").mkdir()
    only(project, 'return sorted(path.name for path in Path("inbox").iterdir())')
    assert outcome(project)[2] == []
    (project.workspace.folder / "inbox" / "a.csv").write_text("x")
    assert outcome(project)[::2] == ("ran", ["a.csv"])


def test_a_file_that_changes_while_it_is_read_gives_a_result_that_is_not_kept(project: Project) -> None:
    note = project.workspace.folder / "note.txt"
    note.write_text("0")
    only(project, 'text = Path("note.txt").read_text(); os.system("echo 1 > note.txt"); return text')
    assert outcome(project)[0] == "ran"
    assert any("changed while it was read" in detail for _, state, detail in project.said if state == "warning")
    assert outcome(project)[0] == "ran"


def test_writing_into_the_project_is_told(project: Project) -> None:
    only(project, 'Path("out.txt").write_text("x"); return 1')
    outcome(project)
    assert any("wrote out.txt into the project" in detail for _, _, detail in project.said)


HERMETIC = [
    (READERS[0], "note.txt"),
    (READERS[2], "note.txt"),
    (READERS[4].replace("capture_output", "check=True, capture_output"), "note.txt"),
    ('return os.environ.get("MY_MODE", "unset")', "MY_MODE"),
]


@pytest.mark.parametrize(("body", "name"), HERMETIC)
def test_a_hermetic_run_refuses_what_is_not_declared(project: Project, body: str, name: str) -> None:
    (project.workspace.folder / "note.txt").write_text("old")
    only(project, body)
    result = project.run({}, how=How(hermetic=True))
    assert result.run.state == "failed"
    assert name in str(result.errors[0])


def test_a_hermetic_run_lets_a_step_read_what_it_declares_and_store_what_it_makes(project: Project) -> None:
    (project.workspace.folder / "note.txt").write_text("old")
    only(project, READERS[2], '@step(files=["note.txt"])')
    assert outcome(project, how=How(hermetic=True)) == ("ran", "first run", "old")
    assert outcome(project) == ("hit", "unchanged", "old")


def test_a_time_to_live_and_always_and_a_probe_say_when_a_result_is_out_of_date(project: Project) -> None:
    only(project, "return 1", '@step(changes="ttl 6h")')
    assert outcome(project)[0] == "ran"
    assert outcome(project)[0] == "hit"
    clock = project.workspace.clock
    assert isinstance(clock, FixedClock)
    clock.moment += timedelta(hours=7)
    assert outcome(project)[:2] == ("ran", "older than its ttl 6h")
    only(project, "return 2", '@step(changes="always")')
    assert [outcome(project)[0] for _ in range(2)] == ["ran", "ran"]
    (project.workspace.folder / "asked.py").write_text("def version():\n    return 1\n")
    only(project, "return 3", '@step(changes="probe asked.py:version")')
    assert [outcome(project)[0] for _ in range(2)] == ["ran", "hit"]
    (project.workspace.folder / "asked.py").write_text("def version():\n    return 2\n")
    assert outcome(project)[0] == "ran"


def test_a_secret_is_read_by_name_and_its_value_is_nowhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = 'return len(secret("SHOP_TOKEN").reveal())'
    monkeypatch.setenv("SHOP_TOKEN", "t0p-s3cret-value")
    only(project, body, '@step(secrets=["SHOP_TOKEN"])')
    assert outcome(project)[2] == 16
    assert outcome(project)[0] == "hit"
    monkeypatch.setenv("SHOP_TOKEN", "t0p-s3cret-other-value")
    assert outcome(project) == ("ran", "secret SHOP_TOKEN changed", 22)
    only(project, body)
    assert "without declaring it" in project.run({}).errors[0].what
    monkeypatch.delenv("SHOP_TOKEN")
    only(project, body, '@step(secrets=["SHOP_TOKEN"])')
    assert "is not set" in str(project.run({}).errors[0])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"t0p-s3cret" in path.read_bytes()]


CHECKPOINT = """
kept = checkpoint()
    done = [int(path.name) for path in kept.folder.iterdir()]
    print("found", sorted(done))
    for number in range(4):
        if number not in done:
            (kept.folder / str(number)).write_text("x")
            kept.save()
        if number == 2 and not Path("/dev/shm", FLAG).exists():
            Path("/dev/shm", FLAG).touch()
            os.kill(os.getpid(), 9)
    return len(done)
""".strip()


def test_the_next_attempt_goes_on_from_what_the_killed_one_saved(
    project: Project, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    flag = f"detent-{tmp_path.name}"
    request.addfinalizer(lambda: Path("/dev/shm", flag).unlink(missing_ok=True))
    only(project, CHECKPOINT.replace("FLAG", repr(flag)))
    assert outcome(project)[2] == 3
    assert "retry" in [state for _, state, _ in project.said]
    row = project.workspace.db.row("SELECT COUNT(*) AS left_over FROM checkpoints")
    assert row == {"left_over": 0}


def test_a_step_that_prints_without_end_does_not_fill_the_disk(project: Project) -> None:
    only(project, 'line = b"x" * 2**20 + b"\\n"\n    for _ in range(200): os.write(1, line)\n    return 1')
    result = project.run({})
    (log,) = (project.workspace.state / "runs" / "run-1").iterdir()
    assert log.stat().st_size < 70 * 2**20
    assert result.value("result") == 1


@pytest.mark.parametrize(
    ("body", "mark", "text"),
    [
        ("data = bytearray(600 * 2**20)\n    while True: pass", '@step(memory="300Mi")', "used too much memory"),
        ("while True: pass", '@step(timeout="500ms")', "took too long"),
        ("os._exit(3)", "@step", "exit status 3"),
        ('return {"a": object()}', "@step", "can't be stored"),
        ("raise KeyError('x')", "@step", "KeyError"),
        ("import no_such_package_at_all", "@step", "no_such_package_at_all"),
    ],
)
def test_a_step_that_misbehaves_is_ended_and_says_why(project: Project, body: str, mark: str, text: str) -> None:
    only(project, body, mark)
    result = project.run({})
    assert result.run.state == "failed"
    assert text in str(result.errors[0])


def test_a_step_that_forks_commits_once(project: Project) -> None:
    only(project, "return os.fork() * 0 + 5")
    assert outcome(project)[2] == 5
    rows = project.workspace.db.rows("SELECT outcome FROM step_runs")
    assert [row["outcome"] for row in rows] == ["ran"]


def test_random_numbers_are_the_same_in_every_run(project: Project) -> None:
    body = "import random, numpy as np; return [random.random(), float(np.random.rand()), hash('x')]"
    only(project, body)
    first = outcome(project)[2]
    again = project.run({}, how=How(force=frozenset({"read"})))
    assert again.value("result") == first
    assert outcomes(again) == {"read": "ran"}
    assert not [detail for _, state, detail in project.said if "not deterministic" in detail]


def test_a_step_that_is_not_deterministic_is_found_and_named(project: Project) -> None:
    only(project, "import time; return time.time_ns()")
    outcome(project)
    project.run({}, how=How(force=frozenset({"*"})))
    assert any("not deterministic: output `result` differs" in detail for _, _, detail in project.said)


def test_a_missing_option_of_another_type_is_refused_where_it_stands(project: Project) -> None:
    only(project, "return 1", "@step(retrys=1)")
    with pytest.raises(ProjectError, match="retrys"):
        project.run({})


def test_a_value_of_another_type_than_declared_is_refused(project: Project) -> None:
    only(project, 'return "three"')
    text = (project.workspace.folder / "steps_under_test.py").read_text().replace("-> object", "-> int")
    project.write(steps_under_test=text)
    error = str(project.run({}).errors[0])
    assert "int" in error
    assert "str" in error


def test_warnings_are_kept_with_the_run(project: Project) -> None:
    (project.workspace.folder / "note.txt").write_text("old")
    only(project, READERS[0])
    result = project.run({})
    stored = store.load_run(project.workspace.db, result.run.id)
    assert stored is not None
    assert "note.txt" in stored.steps[0].warnings[0]


def test_what_a_module_reads_when_it_is_imported_counts_for_the_steps_that_reach_it_and_for_no_other(
    project: Project,
) -> None:
    settings = project.workspace.folder / "settings.txt"
    settings.write_text("1")
    mark = "from detent.pipeline import pipeline, step\n\n@step\n"
    project.write(
        with_settings="from pathlib import Path\nLEVEL = int(Path(__file__).with_name('settings.txt').read_text())\n"
        + f"{mark}def level() -> int:\n    return LEVEL\n",
        without=f"{mark}def plain(x: int) -> int:\n    return x * 0\n",
        steps_under_test="from detent.pipeline import pipeline\nfrom with_settings import level\n"
        "from without import plain\n\n@pipeline\ndef flow():\n    return {'level': level(), 'plain': plain(level())}\n",
    )
    first = project.run({})
    assert first.value("level") == 1
    assert not [name for name, state, _ in project.said if state == "warning" and name == "plain"]
    project.write(without="# a comment\n" + (project.workspace.folder / "without.py").read_text())
    assert set(outcomes(project.run({})).values()) == {"hit"}
    settings.write_text("2")
    again = project.run({})
    assert "ran" in {outcomes(again)["level"], outcomes(again)["level-2"]}  # two calls of one work
    assert again.value("level") == 2
