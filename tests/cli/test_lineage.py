"""`detent lineage` on a terminal of 80 columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.loop.lineage_story import Story, name, open_shop, tell_story

from detent.cli.lineage import command
from detent.errors import DataError, ProjectError

MODEL_UP = """\
shop/2, registered 2025-03-10 09:11
├── challenger 2025-03-10 09:11 – 2025-03-10 15:11, by controller
│   all stages passed
├── champion 2025-03-10 15:11 – now, by controller
│   all stages passed: 1,204 answers, no more failures than before
├── verdict d8465f0c30b6: pass, 1 check on 100 rows
│   2025-03-10 09:11, with no champion to beat
└── bundle 4b859a17eca7
    └── run-0004: retrain succeeded 2025-03-10 09:08 in 215.0 s (cron)
        ├── train makes model: ran in 12.5 s
        │   reads split.train; code pipeline.py:train +1 (a84e716dccb3)
        ├── split makes train, evaluation: ran in 12.5 s
        │   reads clean, labels; code pipeline.py:split +1 (55988242bd19)
        ├── clean: ran in 12.5 s
        │   reads orders; code pipeline.py:clean +1 (5354419bd350)
        ├── labels@2d5a3bd7a672: 1,690 rows known by 2025-03-10 09:08
        │   from data/labels.parquet
        └── orders@63a0b2b219c0: 1,700 rows known by 2025-03-10 09:08
            from data/orders.parquet
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "shop"
    ws = open_shop(folder)
    tell_story(ws.db)
    ws.db.close()
    return folder


def ask(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=folder, env={"COLUMNS": "80"})


def test_a_model_s_name_shows_where_its_champion_comes_from(folder: Path) -> None:
    result = ask(folder, "shop")
    assert result.exit_code == 0
    assert result.output == MODEL_UP


@pytest.mark.parametrize("target", ["shop", "orders", "labels", "run-0002", "run-0001/score", "sabotage-01-leak"])
@pytest.mark.parametrize("direction", ["--up", "--down"])
def test_nothing_is_wider_than_the_terminal(folder: Path, target: str, direction: str) -> None:
    result = ask(folder, target, direction)
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_dataset_shows_what_became_of_it(folder: Path) -> None:
    lines = [line.strip("│├└─ ") for line in ask(folder, "orders").output.splitlines()]
    assert lines[0] == "orders"
    assert "candidate 55677e9a82ed: refused by the gate" in lines
    assert "roc_auc is 0.61, below 0.65" in lines
    assert "shop/1, registered 2025-03-01 03:03" in lines
    assert "served at shop 2025-03-01 03:03 – 2025-03-10 15:11, ≤ 100 %" in lines


def test_both_directions_can_be_asked_for_at_once(folder: Path) -> None:
    output = ask(folder, "run-0001", "--up", "--down").output
    assert output.count("run-0001: retrain succeeded") == 2


def test_json_holds_every_node_and_edge(folder: Path) -> None:
    graph = json.loads(ask(folder, "shop@1", "--json").output)
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert graph["root"] == "version:shop/1"
    assert {end for edge in graph["edges"] for end in (edge["upstream"], edge["downstream"])} == set(nodes)
    assert nodes[f"snapshot:orders@{name('orders 1000')}"]["facts"]["rows"] == 1_000


def test_of_many_things_the_newest_are_shown_and_the_rest_is_counted(tmp_path: Path) -> None:
    ws = open_shop(tmp_path / "shop")
    story = Story(ws.db)
    orders = story.snapshot("orders", rows=7)
    for number in range(30):
        story.begin(f"run-{number:04d}", {"orders": orders})
        story.step(f"run-{number:04d}", "clean", [("orders", orders, "orders")], {"result": name("clean")},
                   outcome="hit" if number else "ran")  # fmt: skip
        story.end(f"run-{number:04d}")
    text = ask(tmp_path / "shop", f"orders@{orders[:12]}").output
    assert text.index("run-0029") < text.index("run-0018")
    assert "run-0017" not in text
    assert "and 18 more runs without a candidate; --all shows them" in text
    assert "run-0000" in ask(tmp_path / "shop", f"orders@{orders[:12]}", "--all").output


def test_without_a_target_it_says_who_was_told_how_much(tmp_path: Path) -> None:
    tell_story(open_shop(tmp_path / "shop").db)
    assert "No OpenLineage sink was told anything yet." in ask(tmp_path / "shop").output
    assert ask(tmp_path / "shop", "--send").output == "file: 62 events told\n"
    assert ask(tmp_path / "shop").output.splitlines()[1].split()[:3] == ["file", "62", "0"]


def test_sending_that_fails_says_why_and_ends_with_status_1(tmp_path: Path) -> None:
    tell_story(open_shop(tmp_path / "shop", lineage="{url: http://127.0.0.1:1}").db)
    result = ask(tmp_path / "shop", "--send")
    assert result.exit_code == 1
    assert "it can't be reached (ConnectionRefusedError)" in result.output


def test_a_url_that_can_t_be_one_is_a_fault_of_sending_only(tmp_path: Path) -> None:
    tell_story(open_shop(tmp_path / "shop", lineage="{url: 'marquez:5000'}").db)
    assert "file: 62 events told" in ask(tmp_path / "shop", "--send").output
    assert ask(tmp_path / "shop", "orders").exit_code == 0


def test_a_folder_without_a_history_and_an_unknown_name_are_errors_that_help(folder: Path, tmp_path: Path) -> None:
    assert isinstance(ask(tmp_path, "orders").exception, ProjectError)
    assert isinstance(ask(folder, "ordres").exception, DataError)
