"""Random projects, run for real before and after a random change: what changes the result must change the fingerprint.

DETENT_FUZZ=20000 makes that many changes instead of a few hundred, and DETENT_FUZZ_SEED=1000 begins elsewhere.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from code_project import ERROR, differences, read, result, write
from mutants import mutate, mutate_unused, reformat
from random_project import Maker

from detent.errors import ProjectError
from detent.pipeline.fingerprint.code import Code

CHANGES = int(os.environ.get("DETENT_FUZZ", "500"))
SEED = int(os.environ.get("DETENT_FUZZ_SEED", "0"))
PER_PROJECT = 20
SEEDS = range(SEED, SEED + CHANGES // PER_PROJECT)


def changed(folder: Path, code: Code, shelf: Path) -> bool:
    try:
        return bool(differences(code, read(folder, shelf=shelf)))
    except ProjectError:
        return True


def lies_of(seed: int, folder: Path) -> tuple[list[tuple[object, ...]], int]:
    """Return the changes of one project that the fingerprint misses, and how many changes mattered."""
    number, files, lines = random.Random(seed), Maker(seed).project(), set[tuple[str, int]]()
    lies, mattered = [], 0
    expected = result(write(folder, files), lines)
    if expected.startswith(ERROR):
        return [], 0
    code = read(folder, shelf=folder / ".shelf")
    for change in range(PER_PROJECT):
        file = number.choice(sorted({file for file, _ in lines}))
        text = mutate(files[file], number, {line for name, line in lines if name == file})
        if text is None:
            continue
        (folder / file).write_text(text)
        now = result(folder)
        # An error is no result that could be stale. (A file may fail to import for code that the step does not reach;
        # then what was computed before is still what its code computes.)
        if now != expected and not now.startswith(ERROR):
            mattered += 1
            if not changed(folder, code, folder / ".shelf"):
                lies.append((seed, change, file, expected, now))
        (folder / file).write_text(files[file])
    return lies, mattered


def test_whatever_changes_the_result_of_a_random_project_changes_its_fingerprint(tmp_path: Path) -> None:
    lies, mattered = [], 0
    for seed in SEEDS:
        found, count = lies_of(seed, tmp_path / str(seed))
        lies += found
        mattered += count
        shutil.rmtree(tmp_path / str(seed))
    assert not lies
    assert mattered > CHANGES / 10, "hardly any change mattered: the test tests nothing"


def test_formatting_comments_and_docstrings_of_a_random_project_change_nothing(tmp_path: Path) -> None:
    for seed in SEEDS:
        number, files = random.Random(seed), Maker(seed).project()
        code = read(write(tmp_path / "before", files))
        other = {name: reformat(text, number) for name, text in files.items()}
        assert not differences(code, read(write(tmp_path / "after", other))), seed


def test_definitions_that_nobody_uses_change_nothing_but_where_a_file_counts_as_a_whole(tmp_path: Path) -> None:
    whole, tried = 0, 0
    for seed in SEEDS:
        number, files = random.Random(seed), Maker(seed).project()
        folder = write(tmp_path / str(seed), files)
        code = read(folder, shelf=tmp_path / "shelf")
        for file, text in files.items():
            other = mutate_unused(text, number)
            if other is None:
                continue
            tried += 1
            (folder / file).write_text(other)
            found = differences(code, read(folder, shelf=tmp_path / "shelf"))
            # Declared in traps/over_approximated.txt: a file with computed names, and one with effects at import.
            excused = any(name.endswith((":top level", ".py")) for name in found)
            assert not found or excused, (seed, file, found)
            whole += excused
            (folder / file).write_text(text)
    assert tried > len(SEEDS) / 2
    assert whole <= tried / 3
