from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import msgspec

from detent.records.prediction import Prediction
from detent.store.clock import iso
from detent.store.segments import SegmentWriter
from detent.store.turns import LogRow, encode_names, encode_turn

START = datetime(2013, 7, 1, 12, tzinfo=UTC)


def prediction(number: int, at: datetime = START, **changes: object) -> Prediction:
    values: dict[str, object] = {
        "id": f"{number:040x}", "time": iso(at), "endpoint": "flights", "route_seq": 1, "version": 1, "served_by": 1,
        "arm": "live", "propensity": 1.0, "entity": f"caller-{number}",
        "inputs": {"temp": number / 2, "hour": number % 24, "origin": "JFK", "wet": False},
        "score": 0.25, "status": "ok", "error": "", "service_seconds": 0.001,
    }  # fmt: skip
    return Prediction(**{**values, **changes})  # type: ignore[arg-type]


def payload(number: int, at: datetime = START, **changes: object) -> bytes:
    return msgspec.json.encode(prediction(number, at, **changes))


def turn(*numbers: int, at: datetime = START) -> bytes:
    """A frame's payload as serving processes write it now; `payload` is how they wrote one row before."""
    rows = []
    for number in numbers:
        one = prediction(number, at)
        rows.append(
            LogRow(
                one.id, round(at.timestamp() * 1e6), one.endpoint, one.route_seq, one.version, one.served_by, one.arm,
                one.propensity, one.entity, 3, tuple(one.inputs.values()), one.score, one.error, one.service_seconds,
                one.request,
            )
        )  # fmt: skip
    return encode_turn({3: encode_names(("temp", "hour", "origin", "wet"))}, rows)


def kill(writer: SegmentWriter) -> None:
    """What the kernel does when a writer's process dies: its files are closed, and so unlocked."""
    os.close(writer.descriptor)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
