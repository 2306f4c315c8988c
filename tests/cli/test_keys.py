from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detent.cli.main import cli
from detent.serving.pages import keyring

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "flights", tmp_path / "f", ignore=shutil.ignore_patterns(".detent", "report"))
    return tmp_path / "f"


def detent(folder: Path, *arguments: str, works: bool = True) -> Result:
    result = CliRunner().invoke(cli, ["-C", str(folder), *arguments])
    assert (result.exit_code == 0) == works, result.output
    return result


def test_a_key_is_shown_once_listed_and_revoked(folder: Path) -> None:
    made = detent(folder, "keys", "add", "billing service", "--scope", "predict", "--rate", "90/m", "--for", "90d")
    text = next(line for line in made.output.splitlines() if line.startswith("dk_"))
    key_id = text.split("_")[1]
    listed = detent(folder, "keys", "list").output
    assert listed.startswith(f"{key_id}  billing service")
    assert "predict; 1.5/s, 2 at once; until 20" in listed
    assert text not in listed
    assert text not in detent(folder, "log", "--json").output
    (key,) = keyring.open_page(folder / ".detent").read()[1]
    assert (key.id, key.rate) == (key_id, 1.5)
    assert "is revoked" in detent(folder, "keys", "revoke", "billing service").output
    assert keyring.open_page(folder / ".detent").read() == (2, ())
    assert "no keys" in detent(folder, "keys", "list").output
    assert "revoked 20" in detent(folder, "keys", "list", "--all").output
    assert "intact" in detent(folder, "verify").output
    kinds = [json.loads(line)["kind"] for line in detent(folder, "log", "--kind", "key", "--json").output.splitlines()]
    assert kinds == ["key.added", "key.revoked"]


@pytest.mark.parametrize(
    "wrong", [("--rate", "fast"), ("--rate", "0/s"), ("--rate", "5/day"), ("--for", "ever"), ("--scope", "all")]
)
def test_a_wish_that_makes_no_sense_makes_no_key(folder: Path, wrong: tuple[str, str]) -> None:
    detent(folder, "keys", "add", "a", *wrong, works=False)
    assert detent(folder, "keys", "list", "--all").output == "no keys\n"


def test_a_key_for_an_endpoint_that_is_not_here_is_made_with_a_note(folder: Path) -> None:
    assert "note: " not in detent(folder, "keys", "add", "one", "--endpoint", "flights").output
    said = detent(folder, "keys", "add", "two", "--endpoint", "fligths").output
    assert "note: detent.yaml names no endpoint `fligths`; it names `flights`" in said
