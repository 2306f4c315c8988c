"""What followers of answers remember between two looks, per endpoint, version and follower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from detent.store.clock import iso
from detent.store.database import Reader, Transaction
from detent.store.queries import load_queries

_SQL = load_queries("detent.monitor")
ALL = 0  # in the place of a version: what is remembered is about all of them


def load_state(reader: Reader, endpoint: str, name: str, *, version: int = ALL) -> dict[str, Any]:
    """Return what was remembered last; {} before the first time."""
    row = reader.row(_SQL["monitor_state"], endpoint=endpoint, version=version, name=name)
    return {} if row is None else json.loads(row["state"])


def save_state(
    tx: Transaction, endpoint: str, name: str, state: Mapping[str, Any], *, until: datetime, version: int = ALL
) -> None:
    """Remember a state; `until` is the time up to which rows are in it."""
    text = json.dumps(state, sort_keys=True, separators=(",", ":"))
    tx.execute(_SQL["save_monitor_state"], endpoint=endpoint, version=version, name=name, until=iso(until), state=text)
