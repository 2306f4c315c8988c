"""The real Great Expectations, in an environment of its own: its pins are none of ours, and it is slow to import."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from detent.data.expect.finding import Finding
from detent.data.expect.judge import Checked, checked_of
from detent.data.expect.words import count
from detent.errors import MissingExtraError
from detent.records.expectation import Expectation
from detent.store.environments import Tool, ask, python_of

TOOL = Tool(
    name="Great Expectations",
    folder="great-expectations-1.24.1",
    requirements=("great_expectations==1.24.1", "pyarrow"),
    megabytes=600,
    variables={"GX_ANALYTICS_ENABLED": "false"},  # it is told not to report to its makers
)
_RUNNER = Path(__file__).with_name("gx_runner.py")
_FIX = "run the suite with Great Expectations alone to see more, and mend it there"


def run(frame: pl.DataFrame, expectations: Sequence[Expectation], *, environments: Path) -> tuple[Checked, ...]:
    """Have Great Expectations check the promises named "gx" over a table.

    An expectation that raises there is a broken one.

    Raises:
        MissingExtraError: its environment was never made.
        DataError: it ends without an answer.
    """
    python = python_of(TOOL, environments)
    if python is None:
        raise MissingExtraError(
            what=f"{count(len(expectations), 'expectation')} can only be checked by Great Expectations itself",
            why=f"{expectations[0].text}: {expectations[0].note}; its environment is not there yet",
            fix="make it once with `detent data check --install-gx`, or leave such expectations out of the suite",
        )
    with tempfile.TemporaryDirectory(prefix="detent-gx-") as work:
        answer = _ask(frame, [json.loads(one.argument) for one in expectations], python, Path(work))
    pairs = zip(expectations, answer["answers"], strict=True)
    return tuple(checked_of(frame, one, _finding(frame, found)) for one, found in pairs)


def _ask(frame: pl.DataFrame, entries: Sequence[Any], python: Path, work: Path) -> dict[str, Any]:
    parquet = work / "rows.parquet"
    frame.write_parquet(parquet)
    return ask(TOOL, python, _RUNNER, {"parquet": str(parquet), "expectations": entries}, work=work, fix=_FIX)


def _finding(frame: pl.DataFrame, answer: dict[str, Any]) -> Finding:
    rows = answer.get("elements") or frame.height
    if answer["error"]:
        reason = f"it could not be checked, and that counts as broken: {answer['error'].splitlines()[0]}"
        return Finding(kept=False, reason=reason, rows=rows)
    observed, failing = answer.get("observed"), answer.get("rows") or []
    broken = pl.int_range(frame.height, eager=True).is_in(pl.Series(failing, dtype=pl.Int64).implode())
    if answer.get("unexpected") is not None:
        reason = f"{answer['unexpected']:,} of {count(rows, 'row')} are unexpected"
    else:
        reason = "it holds" if observed is None and answer["success"] else f"observed is {observed}"
    number = observed if isinstance(observed, (int, float)) and not isinstance(observed, bool) else None
    return Finding(
        kept=answer["success"],
        reason=f"Great Expectations: {reason}",
        rows=rows,
        value=None if number is None else float(number),
        broken=broken if failing else None,
    )
