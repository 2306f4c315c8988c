from __future__ import annotations

from datetime import timedelta

from click.testing import CliRunner

from detent.cli.main import cli
from detent.cli.monitor import COMMANDS
from detent.cli.monitor_plan import plan_lines
from detent.monitor.budget import shares
from detent.monitor.forecast import Forecast, Seeable


def test_the_plan_reads_as_a_table():
    told = Forecast(
        window=timedelta(days=1),
        false_alarms=1.0,
        budget=shares(1.0, timedelta(days=1)),
        horizons=(timedelta(days=7), timedelta(days=30)),
        columns=(
            Seeable(column="temp", rows=90.0, inflation=6.3, unit="sd", within=(0.41, 0.22)),
            Seeable(column="origin", rows=90.0, inflation=1.0, unit="share", within=(0.12, None)),
        ),
    )
    lines = list(plan_lines(told))
    assert lines[0] == "false alarms  at most 1 in 30 days, on average (50% inputs, 20% prediction, 30% quality)"
    assert lines[1] == "windows       of 1 day, looked at 1, 7, 28 together"
    assert lines[3].startswith("column  rows/window  found within 7 days at 95 %  found within 30 days at 95 %"[:20])
    assert [head in lines[3] for head in ("within 7 days", "within 30 days")] == [True, True]
    assert "a shift of 0.41 sd" in lines[4]
    assert lines[4].endswith("(rows of a day are alike: 6.3 count as 1)")
    assert "12.0% of rows change level" in lines[5]
    assert lines[5].endswith("nothing: too few rows")
    assert max(map(len, lines)) <= 130


def test_every_subcommand_of_monitor_can_be_asked_for_help():
    runner = CliRunner()
    for name in COMMANDS:
        assert runner.invoke(cli, ["monitor", name, "--help"]).exit_code == 0, name


def test_a_project_without_a_model_says_what_to_do(tmp_path):
    runner = CliRunner()
    assert runner.invoke(cli, ["-C", str(tmp_path), "new", "shop"]).exit_code == 0
    refused = runner.invoke(cli, ["-C", str(tmp_path / "shop"), "monitor", "plan"])
    assert refused.exit_code != 0
    assert "no version to watch" in str(refused.exception)
    shown = runner.invoke(cli, ["-C", str(tmp_path / "shop"), "monitor", "show", "--since", "7d"])
    assert shown.output == "nothing that matters was found in the last 7d\n"
    for wrong in (["show", "--since", "soon"], ["show", "--since", "9999999d"], ["plan", "--rows", "nan"]):
        assert runner.invoke(cli, ["-C", str(tmp_path / "shop"), "monitor", *wrong]).exit_code == 2
