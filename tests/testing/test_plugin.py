"""The pytest plug-in, as a user's tests see it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def test_a_faulty_filesystem_fails_as_often_as_asked_and_equal_seeds_fail_alike(faulty, tmp_path: Path) -> None:
    path = str(tmp_path / "object")

    def failures(seed: int) -> list[bool]:
        filesystem, found = faulty({"timeout": 0.3}, seed), []
        for _ in range(100):
            try:
                filesystem.pipe_file(path, b"bytes")
                found.append(False)
            except TimeoutError:
                found.append(True)
        return found

    assert failures(1) == failures(1)
    assert failures(1) != failures(2)
    assert 10 < sum(failures(1)) < 50


def test_the_virtual_clock_moves_only_when_told(virtual_clock) -> None:
    before = virtual_clock.now()
    assert virtual_clock.now() == before
    virtual_clock.set(before + timedelta(days=1))
    assert virtual_clock.now() - before == timedelta(days=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_test_that_detent_new_writes_passes_in_a_fresh_project(pytester: pytest.Pytester) -> None:
    from detent.cli.scaffold import scaffold

    project = scaffold(pytester.path / "shop", name="shop", template="tabular")
    done = pytester.runpytest_subprocess(
        str(project / "tests"), "-q", "-k", "things_go_wrong", "-p", "no:cacheprovider"
    )
    done.assert_outcomes(passed=5)
