"""Does a table keep the promise written down as a Pandera schema?"""

from __future__ import annotations

import warnings
from pathlib import Path

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaDefinitionError, SchemaErrors, SchemaInitError, SchemaWarning

from detent.data.expect.judge import Checked, failing_rows
from detent.data.expect.refusal import refusal
from detent.data.expect.words import count
from detent.data.place import place_of
from detent.errors import ProjectError
from detent.project.code import load_callable
from detent.records.expectation import PASS, WARN, ExpectationResult
from detent.records.project import Source


def check_contract(frame: pl.DataFrame, spec: str, *, folder: Path, source: Source) -> None:
    """Hold the rows against the schema that `spec` ("file.py:Name") names; every check runs, also after a failure.

    Raises:
        DataError: with counts per check and the first failing rows.
        ProjectError: `spec` names no Pandera schema for Polars, or one that Pandera can't build.
    """
    error = refusal({source.name: judge_contract(frame, spec, folder=folder, source=source)}, [source])
    if error is not None:
        raise error


def judge_contract(frame: pl.DataFrame, spec: str, *, folder: Path, source: Source) -> tuple[Checked, ...]:
    """Return one result per broken check of the schema, with its failing rows, or one result that all of them hold.

    The schema judges the data as it is: one that would convert values (`coerce`) or drop rows (`drop_invalid_rows`)
    passes only when there is nothing to convert or drop. A check that raises counts as failed. A broken check is what
    `source.contract_severity` says; one with Pandera's `raise_warning=True` only warns.

    Raises:
        ProjectError: `spec` names no Pandera schema for Polars, or one that Pandera can't build.
    """
    schema = _schema(spec, folder, source)
    rows = frame.height
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # NOTE: PANDERA_VALIDATION_ENABLED=False in the environment would turn every contract off without a word,
            # and lazy frames are checked for their schema only: so both are given here, and the frame is eager.
            with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
                found = schema.validate(frame, lazy=True)
            broken = _changed(frame, found, spec, source)
        except SchemaErrors as error:
            broken = _failures(error.failure_cases, frame, spec, source)
        except Exception as error:  # noqa: BLE001  (a parser or a check of the user's that Pandera lets fall through)
            reason = f"the contract could not be checked, and that counts as broken: {type(error).__name__}: {error}"
            broken = [Checked(result=_result(spec, source, rows, reason))]
    gentle = [
        Checked(result=_result(f"{spec} warns", source, rows, str(one.message).split("\n")[0], severity=WARN))
        for one in caught
        if issubclass(one.category, SchemaWarning)
    ]
    if broken or gentle:
        return (*broken, *gentle)
    return (Checked(result=_result(spec, source, rows, f"all checks hold on {count(rows, 'row')}", outcome=PASS)),)


def _schema(spec: str, folder: Path, source: Source) -> pa.DataFrameSchema:
    found = load_callable(spec, folder)
    if isinstance(found, pa.DataFrameSchema):
        return found
    if isinstance(found, type) and issubclass(found, pa.DataFrameModel):
        try:
            return found.to_schema()
        except (SchemaInitError, SchemaDefinitionError, TypeError) as error:
            raise ProjectError(
                what=f"contract `{spec}` can't be built",
                why=str(error),
                fix="mend the model's fields and checks",
                where=place_of(source, "contract"),
            ) from error
    raise ProjectError(
        what=f"`{spec}` is no contract",
        why=f"it is {'the class' if isinstance(found, type) else 'an object of type'} "
        f"`{found.__name__ if isinstance(found, type) else type(found).__name__}`, not a Pandera schema for Polars",
        fix="write `import pandera.polars as pa` and give a subclass of pa.DataFrameModel or a pa.DataFrameSchema",
        where=place_of(source, "contract"),
    )


def _failures(cases: pl.DataFrame, frame: pl.DataFrame, spec: str, source: Source) -> list[Checked]:
    """Return one result per failed check; what has a row number is a failing row, the rest is about the whole table."""
    found = []
    for (column, check), part in cases.group_by("column", "check", maintain_order=True):
        numbers = part["index"].drop_nulls().cast(pl.Int64).unique().sort()
        if len(numbers):
            broken = pl.int_range(frame.height, eager=True).is_in(numbers.implode())
            reason = f"failed {count(len(numbers), 'time')} in {count(frame.height, 'row')}"
            failing = failing_rows(frame, broken)
        else:
            reason, failing = f"failed: {'; '.join(map(str, part['failure_case'].head(3)))}", None
        columns = (str(column),) if column in frame.columns else ()
        result = _result(
            f"{spec} {column}: {check}", source, frame.height, reason, failing=len(numbers), columns=columns
        )
        found.append(Checked(result=result, failing=failing))
    return found


def _changed(frame: pl.DataFrame, checked: pl.DataFrame, spec: str, source: Source) -> list[Checked]:
    added = [name for name in checked.columns if name not in frame.columns]
    if not added and frame.select(checked.columns).equals(checked):
        return []
    changed = [name for name in checked.columns if name in frame.columns and frame.schema[name] != checked.schema[name]]
    reason = (
        f"it holds only after a change: the schema turned {frame.height:,} rows into {checked.height:,}, converted "
        f"{changed or 'no column'} and added {added or 'no column'}; models would see the unchanged data, so leave "
        "`coerce`, `drop_invalid_rows` and parsers out of the contract"
    )
    return [Checked(result=_result(spec, source, frame.height, reason))]


def _result(
    text: str, source: Source, rows: int, reason: str, *, failing: int = 0, columns: tuple[str, ...] = (),
    outcome: str | None = None, severity: str | None = None,
) -> ExpectationResult:  # fmt: skip
    severity = severity or source.contract_severity
    return ExpectationResult(
        expectation=f"contract {text}", severity=severity, outcome=outcome or severity, value=None, threshold=None,
        rows=rows, failing=failing, reason=reason, columns=columns,
    )  # fmt: skip
