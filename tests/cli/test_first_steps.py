"""What somebody reads who tries each command before there is anything to show, or says a thing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from detent.cli.overview import RUN
from detent.cli.scaffold import scaffold
from detent.loop.controller import Controller
from detent.loop.report.story import sentence
from detent.loop.sabotage.ship import ship
from detent.loop.servers.serve import NeighbourGateway
from detent.loop.workspace import open_workspace
from detent.pipeline import LocalExecutor
from detent.records.event import Event

from .commands import Shop


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A project in which nothing has happened."""
    return Shop(scaffold(tmp_path / "shop", name="shop", template="tabular"), monkeypatch, capsys)


def test_where_nothing_has_happened_each_command_says_so(fresh: Shop) -> None:
    assert "no version is registered yet: detent run" in fresh.detent("status").out
    assert "alias" not in fresh.detent("status").out
    assert fresh.detent("status").out.endswith("ledger: 1 event, intact\n")
    assert fresh.detent("verify").out.startswith("intact: 1 event, ")
    assert fresh.detent("monitor", "incident").out == "no alert so far: nobody had to be told anything\n"
    assert fresh.detent("cost").out.startswith("nothing was trained or registered yet")
    nothing = fresh.detent("log", "--kind", "verdict")
    assert (nothing.status, nothing.out, nothing.err) == (0, "", "the ledger has no such event\n")
    assert fresh.detent("log", "--kind", "verdict", "--json").err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("simulate", "--seed", "1", "--seeds", "2"), "give one of them"),
        (("simulate", "--trace"), "say which, with --seed N"),
        (("simulate", "--seeds", "2", "--fresh"), "leave --fresh out"),
        (("monitor", "report", "--json", "--html", "a.html"), "choose one of --html and --json"),
        (("label", "import", "nope.csv", "--id", "id"), "File 'nope.csv' does not exist"),
        (("rollout", "plan", "--rate", "-1"), "Invalid value for '--rate'"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_happens(
    fresh: Shop, words: tuple[str, ...], said: str
) -> None:
    told = fresh.detent(*words)
    assert (told.status, told.out) == (2, "")
    assert said in told.err
    assert not (fresh.folder / ".detent").exists()


@pytest.mark.parametrize("group", ["data", "drill", "gate", "hosts", "keys", "label", "monitor", "rollout", "trigger"])
def test_no_line_of_a_list_of_commands_is_cut_short(fresh: Shop, group: str) -> None:
    _, _, listed = fresh.detent(group, "--help").out.partition("Commands:")
    assert listed.strip()
    assert "..." not in listed


def test_a_row_of_the_status_fits_into_80_columns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ws, executor = open_workspace(shop.folder), LocalExecutor(workers=1)
    ship(ws, Controller(ws, NeighbourGateway(ws), executor, tell=lambda _: None), "tampered_artifact")
    executor.close()
    ws.db.close()
    lines = shop.detent("status").out.splitlines()
    head = next(line for line in lines if "bundle" in line)
    assert head.split() == ["version", "alias", "run", "origin", "registered", "bundle"]
    assert [line for line in lines if "sabotage-" in line and "…" in line and len(line) <= 80]
    assert RUN == 22


def test_a_version_has_the_same_name_for_lineage_as_for_every_other_command(shop: Shop) -> None:
    assert shop.detent("lineage", "1").out == shop.detent("lineage", "shop@1").out
    unknown = shop.detent("lineage", "99")
    assert unknown.status == 2
    assert unknown.err.count("`shop`") == 1


def test_an_event_without_a_sentence_lists_its_facts_in_words() -> None:
    told = {"dataset": "orders", "checks": {"outcome": "pass", "broken": [], "last": None}, "snapshot": "a" * 64}
    event = Event(
        seq=1, time="2025-01-01T00:00:00+00:00", kind="data.checked", subject="project:shop", actor="test",
        payload=told, observed={}, previous="", hash="",
    )  # fmt: skip
    assert sentence(event) == "dataset orders; checks: outcome pass; snapshot aaaaaaaaaaaa"


def test_an_event_of_a_fault_says_why_too() -> None:
    event = Event(
        seq=1, time="2025-01-01T00:00:00+00:00", kind="labels.failed", subject="model:shop", actor="test",
        payload={"source": "truth.csv", "error": "labels of `truth.csv` can't be read"},
        observed={"why": "there is no file truth.csv"}, previous="", hash="",
    )  # fmt: skip
    assert sentence(event) == "labels of `truth.csv` can't be read: there is no file truth.csv"


def test_the_newest_version_is_deployed_unless_it_is_a_sabotage(shop: Shop) -> None:
    said = shop.detent("deploy")
    assert "version 2" not in said.out + said.err
    assert "version 1" in said.out + said.err


def test_a_sabotage_that_leaves_traces_or_that_nobody_would_see_is_not_begun(shop: Shop) -> None:
    edited = shop.detent("sabotage", "edited_database")
    assert (edited.status, edited.out) == (3, "")
    assert "--for-good" in edited.err
    for words in (("edited_database", "--for-good"), ("swapped_bundle",)):
        unseen = shop.detent("sabotage", *words)
        assert unseen.status == 3
        assert "detent up" in unseen.err
    assert shop.detent("verify").status == 0


def test_the_nearest_sabotage_is_suggested_wherever_it_strikes(shop: Shop) -> None:
    assert "forged_verdict" in shop.detent("sabotage", "forged_verdit").err
