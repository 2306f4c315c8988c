from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from detent.records.prediction import Prediction
from detent.store.clock import iso

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


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
