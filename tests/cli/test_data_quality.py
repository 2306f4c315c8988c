from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from detent.cli.data_quality import command
from detent.cli.scaffold import scaffold
from detent.errors import ProjectError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = scaffold(tmp_path / "shop", name="shop", template="tabular")
    path = folder / "data" / "orders.parquet"
    pl.read_parquet(path).head(200).write_parquet(path)
    text = (folder / "detent.yaml").read_text()
    text = text.replace("contracts.py:Orders}", 'contracts.py:Orders, expect: ["range(price) in 0..9000"]}')
    (folder / "detent.yaml").write_text(text)
    return folder


def check(folder: Path, *options: str):
    return CliRunner().invoke(command, options, obj=folder)


def test_it_shows_the_failing_rows_and_ends_with_1(project: Path) -> None:
    good = check(project)
    assert (good.exit_code, "keeps every promise" in good.output) == (0, True), good.output
    path = project / "data" / "orders.parquet"
    rows = pl.read_parquet(path)
    rows.with_columns(price=pl.when(pl.int_range(pl.len()) == 7).then(9_999.0).otherwise("price")).write_parquet(path)
    bad = check(project)
    assert bad.exit_code == 1
    assert "range(price) in 0..9000" in bad.output
    assert "1 failing row" in bad.output
    assert str(rows["order_id"][7]) in bad.output
    path.unlink()
    again = check(project, "--last")
    assert (again.exit_code, again.output) == (1, bad.output)


def test_a_dataset_that_is_not_there_is_named(project: Path) -> None:
    found = check(project, "oders", "--last")
    assert isinstance(found.exception, ProjectError)
    assert "did you mean `orders`" in found.exception.fix


def test_a_project_that_promises_nothing_is_told_how(project: Path) -> None:
    found = check(project, "--last")
    assert (found.exit_code, "nothing is promised" in found.output) == (0, True)
