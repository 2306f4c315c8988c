"""People who say what was true: asked about some answers a day, and on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner

from detent.cli.main import cli
from detent.errors import DetentError
from detent.loop.labelling.label_audit import ask, open_questions, set_label
from detent.loop.workspace import Workspace, virtual_clock
from detent.predictions import labels_of, places
from detent.records.prediction import Prediction
from detent.store import ledger
from detent.store.clock import iso
from detent.store.segments import SegmentWriter

HOURS = 20


@pytest.fixture
def answered(served: Workspace) -> Workspace:
    """A project with an answer every hour, and 3 questions a day."""
    monitor = replace(served.project.monitor, audit=3)
    rows = [
        Prediction(
            id=f"{number:040x}", time=iso(served.now() - timedelta(hours=HOURS - number)),
            endpoint=served.project.serving.endpoint, route_seq=1, version=1, served_by=1, arm="live", propensity=1.0,
            entity=f"e{number}", inputs={"price": number}, score=number / HOURS, status="ok", error="",
            service_seconds=0.0,
        )
        for number in range(HOURS)
    ]  # fmt: skip
    SegmentWriter(places.segments(served.state), "w0").append([msgspec.json.encode(row) for row in rows])
    return replace(served, project=replace(served.project, monitor=monitor))


def run(ws: Workspace, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["-C", str(ws.folder), "label", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_people_are_asked_once_a_day(answered: Workspace) -> None:
    clock = virtual_clock(answered.state, answered.now())
    ws = replace(answered, clock=clock)
    assert (ask(ws), ask(ws)) == (3, 0)
    assert open_questions(ws, 3).height == 3
    clock.set(ws.now() + timedelta(hours=25))
    assert ask(ws) == 0  # nothing was answered since
    assert len(list(ledger.read(ws.db, kind="audit.asked"))) == 1
    monitor = replace(ws.project.monitor, audit=0)
    assert ask(replace(ws, project=replace(ws.project, monitor=monitor))) == 0


def test_what_was_said_is_not_asked_again(answered: Workspace) -> None:
    ask(answered)
    first = open_questions(answered, 20)["id"][0]
    assert set_label(answered, first, "1").new == 1
    assert first not in open_questions(answered, 20)["id"].to_list()
    assert set_label(answered, first, "0").corrected == 1
    assert labels_of(answered.db, pl.Series([first]))["label"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("id_", "value"), [("nobody", "1"), (f"{3:040x}", "0.5"), (f"{3:040x}", "nan"), (f"{3:040x}", "late")]
)
def test_what_is_no_label_is_refused(answered: Workspace, id_: str, value: str) -> None:
    with pytest.raises(DetentError):
        set_label(answered, id_, value)


def test_a_person_lists_sets_and_imports_on_the_command_line(answered: Workspace, tmp_path: Path) -> None:
    shown = run(answered, "list", "-n", "5").splitlines()
    id_ = shown[0].split()[0]
    assert len([line for line in shown if "version 1" in line]) == 5
    assert '{"price":' in shown[0]
    assert run(answered, "set", id_, "1") == f"{id_}: 1, recorded\n"
    assert run(answered, "set", id_, "1") == f"{id_}: 1, known already\n"
    assert run(answered, "set", id_, "0") == f"{id_}: 0, corrected\n"
    rows = {"answer": [f"{number:040x}" for number in range(HOURS)] + ["x"], "late": [1] * HOURS + [0]}
    pl.DataFrame(rows).write_csv(tmp_path / "truth.csv")
    text = run(answered, "import", str(tmp_path / "truth.csv"), "--id", "answer", "--value", "late")
    assert text == "19 new, 0 known, 1 corrected, 0 older than what is known, 1 without an answer in the log\n"
    assert "every answer of the last 7 days has a label" in run(answered, "list")


def test_a_file_of_which_nothing_is_a_label_ends_with_a_status(answered: Workspace, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(f"answer,label,told\n{0:040x},1,soon\n{1:040x},0,later\n")
    command = ["label", "import", str(tmp_path / "truth.csv"), "--id", "answer", "--at", "told"]
    result = CliRunner().invoke(cli, ["-C", str(answered.folder), *command])
    assert result.exit_code == 1
    assert "2 rows left out: no time that can be read" in result.output
    (tmp_path / "truth.csv").write_text(f"answer,label,told\n{0:040x},1,soon\n{1:040x},0,2020-01-01\n")
    assert "1 row left out" in run(answered, *command[1:])


def test_a_file_must_say_how_it_names_answers(answered: Workspace, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("answer,late\n")
    result = CliRunner().invoke(cli, ["-C", str(answered.folder), "label", "import", str(tmp_path / "truth.csv")])
    assert result.exit_code == 2
    assert "--id COLUMN or --request COLUMN" in result.output
