"""Which commit a run's code came from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from detent.loop.lineage.checkout import checkout_fact, checkout_of, read_checkout


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project inside a repository, with one commit."""
    folder = tmp_path / "repository" / "models" / "shop"
    folder.mkdir(parents=True)
    git(tmp_path, "init", "-q", "-b", "main", "repository")
    (folder / "pipeline.py").write_text("x = 1\n")
    (folder / "detent.yaml").write_text("project: shop\n")
    (folder / "data.csv").write_text("a\n1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "remote", "add", "origin", "https://ann:token@example.org/ann/shop.git")
    return folder


def test_a_clean_checkout_is_named_by_its_commit(project: Path) -> None:
    found = read_checkout(project)
    assert found is not None
    assert (found.commit, found.dirty, found.branch) == (git(project, "rev-parse", "HEAD"), False, "main")
    assert found.path == "models/shop"
    assert found.repository == "https://example.org/ann/shop.git"  # without the token


@pytest.mark.parametrize("file", ["pipeline.py", "detent.yaml", "new.py", "steps/new.py"])
def test_code_that_is_not_committed_makes_it_dirty(project: Path, file: str) -> None:
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text("x = 2\n")
    found = read_checkout(project)
    assert found is not None
    assert found.dirty


def test_data_that_changed_makes_no_code_dirty(project: Path) -> None:
    (project / "data.csv").write_text("a\n2\n")
    (project / "more.csv").write_text("a\n2\n")
    found = read_checkout(project)
    assert found is not None
    assert not found.dirty


def test_a_detached_head_has_no_branch(project: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    found = read_checkout(project)
    assert found is not None
    assert found.branch == ""


def test_outside_a_repository_there_is_none(tmp_path: Path) -> None:
    assert read_checkout(tmp_path) is None
    assert checkout_fact(tmp_path) == {}
    assert checkout_of({}) is None


def test_what_an_event_keeps_is_read_back(project: Path) -> None:
    assert checkout_of(checkout_fact(project)) == read_checkout(project)
