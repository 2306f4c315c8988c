"""Evidently's drift report as one page, made in an environment of its own: its pins are none of ours."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from detent.errors import MissingExtraError
from detent.store.atomic import write_atomic
from detent.store.environments import Tool, ask, python_of

TOOL = Tool(
    name="Evidently",
    folder="evidently-0.7.23",
    # It does not start with pandas 3. What decides its numbers is pinned as well.
    requirements=(
        "evidently==0.7.23", "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "pyarrow",
    ),
    megabytes=1000,
    variables={"DO_NOT_TRACK": "1"},
)  # fmt: skip
_RUNNER = Path(__file__).with_name("evidently_runner.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What Evidently is given: two tables with the same columns, and what is said above its report.

    Numbers are Float64 without infinities, everything else is String. No column is all null on either side.
    """

    title: str
    notes: tuple[tuple[str, str], ...]  # (about what, in words)
    reference: pl.DataFrame
    current: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What Evidently said."""

    version: str
    columns: int
    drifted: int  # of these, by Evidently's own rule

    @property
    def text(self) -> str:
        """Return it in a line."""
        return f"{self.drifted} of {self.columns} columns drifted by the rule of Evidently {self.version}"


def draw(compared: Compared, page: Path, *, environments: Path) -> Drawn:
    """Have Evidently compare two tables and write its report.

    Args:
        compared: what is compared.
        page: the HTML file; it needs nothing else.
        environments: the folder of environments.

    Raises:
        MissingExtraError: its environment was never made.
        DataError: it ends without an answer.
        StoreError: the page can't be written.
    """
    python = python_of(TOOL, environments)
    if python is None:
        raise MissingExtraError(
            what="Evidently's report is drawn by Evidently itself, and its environment is not there yet",
            why=f"its packages don't go with ours, so it has an environment of its own, of about {TOOL.megabytes} MB",
            fix="make it once, and the page with it: add --install-evidently",
        )
    with tempfile.TemporaryDirectory(prefix="detent-evidently-") as work:
        return _draw(compared, page, python, Path(work))


def _draw(compared: Compared, page: Path, python: Path, work: Path) -> Drawn:
    reference, current, drawn = work / "reference.parquet", work / "current.parquet", work / "page.html"
    compared.reference.write_parquet(reference)
    compared.current.write_parquet(current)
    request = {
        "title": compared.title,
        "notes": compared.notes,
        "reference": str(reference),
        "current": str(current),
        "numerical": _named(compared.current, pl.Float64),
        "categorical": _named(compared.current, pl.String),
        "page": str(drawn),
    }
    answer = ask(TOOL, python, _RUNNER, request, work=work, fix="look at a longer window: --since 7d")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, drawn.read_bytes())
    return Drawn(version=answer["version"], columns=compared.current.width, drifted=answer["drifted"])


def _named(frame: pl.DataFrame, dtype: type[pl.DataType]) -> Sequence[str]:
    return [name for name, kind in frame.schema.items() if kind == dtype]
