"""What the prediction log costs: CPU of the event loop's thread per row, for turns of 1, 16 and 64 rows of 20 numbers.

    python bench/prediction_log.py

Each line is the median of 20 runs. The rows are real tickets and go the way of the gateway: `logged_rows`, `append`.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detent.records.log import LogPlan
from detent.records.route import Arm, Route
from detent.records.signature import Field, Signature
from detent.serving.counts.counters import Counters
from detent.serving.logs.log import PredictionLog
from detent.serving.models.scoring import Outcome
from detent.serving.predict.endpoints import Endpoint
from detent.serving.predict.logged import logged_rows
from detent.serving.predict.tickets import Item, Ticket
from detent.serving.rows.validate import RowReader

ARM = Arm(version=1, weight=10_000)
READER = RowReader(
    Signature(
        inputs=tuple(Field(name=f"feature_{number}", kind="number", nullable=True) for number in range(20)),
        output="probability",
    )
)
ROUTE = Route(endpoint="flights", model="flights", seq=1, arms=(ARM,), shadows=(), fallback=None, loaded=(1,), salt="s")
ENDPOINT = Endpoint(
    route=ROUTE, versions={}, lanes={}, refused={}, reader=READER, readers=1, entity=None, probability=True
)


def tickets(count: int, now: datetime) -> list[Ticket]:
    made = []
    for _ in range(count):
        ticket = Ticket(ENDPOINT, 0.0, "", lambda *_: None, now=now)
        row = tuple(random.gauss(0, 1) for _ in range(20))
        id_ = f"{random.getrandbits(160):040x}"
        ticket.items = [Item(ticket, id_, id_, ARM, READER, row, Outcome(0.25, "", 1e-6))]
        made.append(ticket)
    return made


def measure(count: int, turns: int, **plan: Any) -> tuple[float, float]:
    """Return CPU microseconds and bytes per row."""
    now = datetime.now(UTC)
    asked = tickets(count, now)
    with tempfile.TemporaryDirectory() as folder:
        counters = Counters(Path(folder) / "counters", 0)
        segments = Path(folder) / "segments"
        log = PredictionLog(
            segments, "w0", plan=LogPlan(**plan), key=bytes(32), counters=counters, segment_bytes=1 << 30
        )
        taken = []
        for _ in range(20):
            began = time.thread_time()
            for _ in range(turns // 20):
                rows, left_out = logged_rows(asked, log)
                log.append(rows, now, left_out=left_out)
            taken.append((time.thread_time() - began) / (turns // 20) / count * 1e6)
        size = sum(path.stat().st_size for path in segments.glob("*.open")) if segments.is_dir() else 0
        log.close()
        counters.close()
    return statistics.median(taken), size / (turns // 20 * 20) / count


def main() -> None:
    cases: list[tuple[str, int, int, dict[str, Any]]] = [
        ("durable", 1, 40_000, {}),
        ("durable", 16, 3_000, {}),
        ("durable", 64, 800, {}),
        ("durable, one field hashed", 16, 3_000, {"fields": (("feature_1", "hash"),)}),
        ("durable, one field dropped", 16, 3_000, {"fields": (("feature_1", "drop"),)}),
        ("sample of 10 %", 16, 3_000, {"mode": "sample", "sample": 0.1}),
        ("off", 16, 3_000, {"mode": "off"}),
    ]
    for name, count, turns, plan in cases:
        seconds, size = measure(count, turns, **plan)
        print(f"{name:28s} {count:3d} rows a turn: {seconds:5.2f} us of CPU and {size:4.0f} bytes per row")


if __name__ == "__main__":
    main()
