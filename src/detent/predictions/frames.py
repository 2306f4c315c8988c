"""Log frames -> a typed table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Signature
from detent.store.turns import LogRow, decode_turn

LOG = logging.getLogger(__name__)

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "endpoint": pl.String(),
    "route_seq": pl.Int64(),
    "version": pl.Int64(),
    "served_by": pl.Int64(),
    "arm": pl.String(),
    "propensity": pl.Float64(),
    "entity": pl.String(),
    "inputs": pl.String(),  # JSON object: versions with other inputs share one table
    "score": pl.Float64(),
    "status": pl.String(),
    "error": pl.String(),
    "service_seconds": pl.Float64(),
    "request": pl.String(),
    "scores": pl.List(pl.Float64()),  # a probability per class of the version, in its order; null: it gives one score
}
KEY = ("id", "arm", "version")  # what tells two rows apart
_DTYPES = {NUMBER: pl.Float64(), INTEGER: pl.Int64(), STRING: pl.String(), BOOLEAN: pl.Boolean()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _RowV1(msgspec.Struct, gc=False):
    """A prediction as frames of version 1 hold it; the inputs stay JSON."""

    id: str
    time: datetime
    endpoint: str
    route_seq: int
    version: int
    served_by: int | None
    arm: str
    propensity: float
    entity: str
    inputs: msgspec.Raw
    score: float | None
    status: str
    error: str
    service_seconds: float
    request: str = ""


_DECODE_V1 = msgspec.json.Decoder(_RowV1).decode
_LINES = msgspec.json.Encoder().encode_lines


def at(moment: datetime) -> pl.Expr:
    """Return an aware time to compare a column of times with: made of a `datetime`, it would cost twenty times that."""
    return pl.lit((moment - _EPOCH) // _MICROSECOND).cast(SCHEMA["time"])


def to_frame(payloads: Iterable[bytes]) -> pl.DataFrame:
    """Return the predictions as a table with the columns of SCHEMA, in the order of the log.

    A frame that holds no predictions (its checksum is right, so another program wrote it) is left out and logged.
    """
    rows: list[LogRow] = []
    lines: list[bytes] = []  # the rows' inputs as JSON, one line each
    bad: list[Exception] = []
    for payload in payloads:
        try:
            if payload[:1] == b"{":
                row = _DECODE_V1(payload)
                rows.append(_as_row(row))
                lines.append(bytes(row.inputs).replace(b"\n", b" ") + b"\n")
            else:
                turn = decode_turn(payload)
                lines.append(_LINES([_named(turn.shapes, row) for row in turn.rows]))
                rows += turn.rows
        except (msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
            bad.append(error)
    if bad:
        LOG.warning("action=skip frames=%d reason=%r", len(bad), f"a frame of the log is no prediction: {bad[0]}")
    return _table(rows, b"".join(lines).decode().split("\n")[:-1])  # JSON has no line break inside


def expand_inputs(frame: pl.DataFrame, signature: Signature) -> pl.DataFrame:
    """Return one column per input of the signature, one row per row of `frame`, in order.

    An input that a row does not have (another version's row), or has with another type, is null.
    """
    text = "[" + ",".join(frame["inputs"].to_list()) + "]"
    rows: list[dict[str, Any]] = msgspec.json.decode(text)
    return pl.DataFrame(
        [
            pl.Series(
                field.name,
                [_fitting(field.kind, row.get(field.name)) for row in rows],
                dtype=_DTYPES[field.kind],
            )
            for field in signature.inputs
        ]
    )


def _fitting(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == STRING:
        return value if isinstance(value, str) else None
    if kind == BOOLEAN:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == INTEGER:
        return int(value) if float(value).is_integer() else None
    return float(value)


def _as_row(row: _RowV1) -> LogRow:
    return LogRow(
        row.id, (row.time - _EPOCH) // _MICROSECOND, row.endpoint, row.route_seq, row.version, row.served_by, row.arm,
        row.propensity, row.entity, 0, (), row.score, row.error, row.service_seconds, row.request,
    )  # fmt: skip


def _named(shapes: Mapping[int, Sequence[str]], row: LogRow) -> dict[str, Any]:
    """Return the inputs by name, and forget them: a million small lists would keep the collector busy."""
    values, row.values = row.values, None
    return dict(zip(shapes[row.shape], values, strict=True))


def _table(rows: list[LogRow], inputs: list[str]) -> pl.DataFrame:
    # Row by row: a frame is mostly a few hundred rows, of which a list per column would cost three times as much.
    cells = [_cells(row, values) for row, values in zip(rows, inputs, strict=True)]
    return pl.DataFrame(cells, schema={**SCHEMA, "time": pl.Int64()}, orient="row").with_columns(
        pl.col("time").cast(SCHEMA["time"])
    )


def _cells(row: LogRow, inputs: str) -> tuple[object, ...]:
    """Return a row in the order of SCHEMA."""
    return (
        row.id, row.time, row.endpoint, row.route_seq, row.version, row.served_by, row.arm, row.propensity, row.entity,
        inputs, row.score, "error" if row.score is None else "ok", row.error, row.seconds, row.request,
        row.scores or None,
    )  # fmt: skip
