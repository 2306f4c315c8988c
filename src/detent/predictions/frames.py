"""Log frames -> a typed table."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Signature

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
}
KEY = ("id", "arm", "version")  # what tells two rows apart
_DTYPES = {NUMBER: pl.Float64(), INTEGER: pl.Int64(), STRING: pl.String(), BOOLEAN: pl.Boolean()}


class _Row(msgspec.Struct, gc=False):
    """A prediction as it stands in the log; the inputs stay JSON."""

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


_DECODE = msgspec.json.Decoder(_Row).decode


def to_frame(payloads: Iterable[bytes]) -> pl.DataFrame:
    """Return the predictions as a table with the columns of SCHEMA, in the order of the log.

    A frame that is no prediction (its checksum is right, so another program wrote it) is left out and logged.
    """
    rows = []
    for payload in payloads:
        try:
            rows.append(_DECODE(payload))
        except msgspec.DecodeError as error:
            LOG.warning("action=skip reason=%r", f"a frame of the log is no prediction: {error}")
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in SCHEMA}
    columns["inputs"] = [bytes(row.inputs).decode() for row in rows]
    return pl.DataFrame(columns, schema=SCHEMA)


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
