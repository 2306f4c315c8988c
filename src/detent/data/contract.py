"""Does a table keep the promise written down as a Pandera schema?"""

from __future__ import annotations

from pathlib import Path

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaDefinitionError, SchemaErrors, SchemaInitError

from detent.data.source import place_of
from detent.errors import DataError, ProjectError
from detent.project.code import load_callable
from detent.records.project import Source

SHOWN_ROWS = 5
SHOWN_CHECKS = 10


def check_contract(frame: pl.DataFrame, spec: str, *, folder: Path, source: Source) -> None:
    """Hold the rows against the schema that `spec` ("file.py:Name") names; every check runs, also after a failure.

    The schema judges the data as it is: one that would convert values (`coerce`) or drop rows (`drop_invalid_rows`)
    passes only when there is nothing to convert or drop. A check that raises counts as failed.

    Raises:
        DataError: with counts per check and the first failing rows.
        ProjectError: `spec` names no Pandera schema for Polars, or one that Pandera can't build.
    """
    schema = _schema(spec, folder, source)
    try:
        # NOTE: PANDERA_VALIDATION_ENABLED=False in the environment would turn every contract off without a word, and
        # lazy frames are checked for their schema only: so both settings are given here, and the frame is eager.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            checked = schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        raise _broken(error.failure_cases, frame, spec, source) from error
    except Exception as error:  # a parser or a check that Pandera lets fall through
        raise DataError(
            what=f"contract {spec} could not be checked on dataset `{source.name}`",
            why=f"{type(error).__name__}: {error}",
            fix="mend the contract: a check that can't run counts as failed",
            where=place_of(source, "contract"),
        ) from error
    _refuse_change(frame, checked, spec, source)


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


def _broken(cases: pl.DataFrame, frame: pl.DataFrame, spec: str, source: Source) -> DataError:
    counts = cases.group_by("column", "check", maintain_order=True).len()
    lines = [f"{column}: {check} failed {count:,} times" for column, check, count in counts.head(SHOWN_CHECKS).rows()]
    if counts.height > SHOWN_CHECKS:
        lines.append(f"and {counts.height - SHOWN_CHECKS} more checks")
    rows = cases.filter(pl.col("index").is_not_null()).sort("index", maintain_order=True).head(SHOWN_ROWS)
    lines += [
        f"row {row}: {column} is {value!r}, breaks {check}"
        for row, column, value, check in rows.select("index", "column", "failure_case", "check").rows()
    ]
    whole = cases.filter(pl.col("index").is_null()).head(SHOWN_ROWS)
    lines += [f"{check}: {value}" for check, value in whole.select("check", "failure_case").rows()]
    return DataError(
        what=f"dataset `{source.name}` breaks its contract {spec}",
        why=f"{counts.height} checks failed on {frame.height:,} rows (counted from 0):\n    " + "\n    ".join(lines),
        fix="mend the data at its source, or change the contract if the world has changed",
        where=place_of(source, "contract"),
    )


def _refuse_change(frame: pl.DataFrame, checked: pl.DataFrame, spec: str, source: Source) -> None:
    added = [name for name in checked.columns if name not in frame.columns]
    if not added and frame.select(checked.columns).equals(checked):
        return
    changed = [name for name in checked.columns if name in frame.columns and frame.schema[name] != checked.schema[name]]
    raise DataError(
        what=f"dataset `{source.name}` keeps its contract {spec} only after a change",
        why=f"the schema turned {frame.height:,} rows into {checked.height:,}, converted {changed or 'no column'} and "
        f"added {added or 'no column'}; models would see the unchanged data",
        fix="mend the data at its source, and leave `coerce`, `drop_invalid_rows` and parsers out of the contract",
        where=place_of(source, "contract"),
    )
