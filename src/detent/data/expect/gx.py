"""The real Great Expectations, in an environment of its own: its pins are none of ours, and it is slow to import."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from detent.data.expect.finding import Finding
from detent.data.expect.judge import Checked, checked_of
from detent.data.expect.words import count
from detent.errors import DataError, MissingExtraError
from detent.records.expectation import Expectation

VERSION = "1.24.1"
REQUIREMENTS = (f"great_expectations=={VERSION}", "pyarrow")
TIMEOUT = 600.0  # seconds for one table
_RUNNER = Path(__file__).with_name("gx_runner.py")
# Nothing of ours reaches it but what it needs to start, and it is told not to report to its makers.
_ENVIRONMENT = {"GX_ANALYTICS_ENABLED": "false", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def environment_in(folder: Path) -> Path:
    """Return where the environment lies under a folder of environments."""
    return folder / f"great-expectations-{VERSION}"


def install(folder: Path) -> Path:
    """Make the environment (about 600 MB, from PyPI) and return its Python; one that is complete is left as it is.

    Raises:
        MissingExtraError: it can't be installed.
    """
    target = environment_in(folder)
    python, complete = target / "bin" / "python", target / "complete"
    if complete.exists():
        return python
    target.parent.mkdir(parents=True, exist_ok=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingExtraError(
                what="the environment of Great Expectations can't be made",
                why=(done.stderr.strip().splitlines() or ["the installer gave no reason"])[-1],
                fix=f"check the network, and that PyPI can be reached; then try again (it goes to {target})",
            )
    complete.write_text(VERSION)
    return python


def run(frame: pl.DataFrame, expectations: Sequence[Expectation], *, environments: Path) -> tuple[Checked, ...]:
    """Have Great Expectations check the promises named "gx" over a table.

    An expectation that raises there is a broken one.

    Raises:
        MissingExtraError: its environment was never made.
        DataError: it ends without an answer.
    """
    target = environment_in(environments)
    if not (target / "complete").exists():
        raise MissingExtraError(
            what=f"{count(len(expectations), 'expectation')} can only be checked by Great Expectations itself",
            why=f"{expectations[0].text}: {expectations[0].note}; its environment is not there yet",
            fix="make it once with `detent data check --install-gx`, or leave such expectations out of the suite",
        )
    with tempfile.TemporaryDirectory(prefix="detent-gx-") as work:
        answer = _ask(frame, [json.loads(one.argument) for one in expectations], target / "bin" / "python", Path(work))
    pairs = zip(expectations, answer["answers"], strict=True)
    return tuple(checked_of(frame, one, _finding(frame, found)) for one, found in pairs)


def _ask(frame: pl.DataFrame, entries: Sequence[Any], python: Path, work: Path) -> dict[str, Any]:
    parquet, request, answer = work / "rows.parquet", work / "request.json", work / "answer.json"
    frame.write_parquet(parquet)
    request.write_text(json.dumps({"parquet": str(parquet), "expectations": entries}))
    try:
        done = subprocess.run(
            [str(python), str(_RUNNER), str(request), str(answer)],
            capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=work,
            env={**_ENVIRONMENT, "HOME": str(work)},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _unanswered(f"it ran for more than {TIMEOUT:g} seconds") from error
    if done.returncode or not answer.exists():
        raise _unanswered((done.stderr.strip().splitlines() or ["it gave no reason"])[-1])
    return json.loads(answer.read_text())


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


def _unanswered(why: str) -> DataError:
    return DataError(
        what="Great Expectations gave no answer",
        why=why,
        fix="run the suite with Great Expectations alone to see more, and mend it there",
    )
