"""The trap suite: edits that change a result must change the fingerprint, and edits that change none must not.

The traps stand in `traps/*.txt`. A trap is a small project: files after `--- name` (the first is pipeline.py), with
each edit written as «before|after». Every trap is executed before and after the edit, so that none of them is imagined:
what must change the fingerprint really changes `train(2)`, and what must not, does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from code_project import differences, read, result, write

FOLDER = Path(__file__).parent / "traps"
EDIT = re.compile("«([^|«»]*)\\|([^«»]*)»")


def traps(name: str) -> dict[str, dict[str, str]]:
    """Read traps: title -> file -> text with edits."""
    found: dict[str, dict[str, str]] = {}
    for block in (FOLDER / f"{name}.txt").read_text().split("=== ")[1:]:
        title, _, text = block.partition("\n")
        parts = re.split(r"^--- (.+)\n", text, flags=re.MULTILINE)
        files = {"pipeline.py": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))
        assert title not in found, title
        assert any(EDIT.search(one) for one in files.values()), title
        found[title] = files
    return found


def edited(files: Mapping[str, str], *, after: bool) -> dict[str, str]:
    return {name: EDIT.sub(lambda match: match[1 + after], text) for name, text in files.items()}


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "before", tmp_path / "after"


def run_trap(files: Mapping[str, str], both: tuple[Path, Path]) -> tuple[bool, set[str]]:
    """Return whether the result changes, and what differs in the fingerprint."""
    before, after = (write(folder, edited(files, after=index == 1)) for index, folder in enumerate(both))
    return result(before) != result(after), differences(read(before), read(after))


MUST_CHANGE, MUST_NOT_CHANGE, OVER = traps("must_change"), traps("must_not_change"), traps("over_approximated")


@pytest.mark.parametrize("title", MUST_CHANGE)
def test_what_changes_a_result_changes_the_fingerprint(title: str, both: tuple[Path, Path]) -> None:
    really, differ = run_trap(MUST_CHANGE[title], both)
    assert really, "the trap itself is wrong: the edit changes no result"
    assert differ


@pytest.mark.parametrize("title", MUST_NOT_CHANGE)
def test_what_changes_no_result_leaves_the_fingerprint_alone(title: str, both: tuple[Path, Path]) -> None:
    really, differ = run_trap(MUST_NOT_CHANGE[title], both)
    assert not really, "the trap itself is wrong: the edit changes the result"
    assert not differ


@pytest.mark.parametrize("title", OVER)
def test_where_nobody_can_be_sure_the_fingerprint_changes_though_the_result_does_not(
    title: str, both: tuple[Path, Path]
) -> None:
    really, differ = run_trap(OVER[title], both)
    assert not really, "the trap itself is wrong: the edit changes the result"
    assert differ, "this became exact: move the trap to must_not_change.txt"
    assert " | " in title, "say why"
