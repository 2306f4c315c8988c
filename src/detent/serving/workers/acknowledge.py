"""What each worker says it holds: one small file per slot, replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from detent.store.atomic import write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The state of one worker after it followed a route table."""

    pid: int
    life: str  # as the supervisor named this process
    page_seq: int  # the table whose versions it has tried to load
    address: str  # http://host:port
    ready: tuple[str, ...] = ()  # "<model>/<number>", sorted
    refused: Mapping[str, str] = field(default_factory=dict)  # "<model>/<number>" -> reason


def write(folder: Path, slot: int, acknowledgement: Acknowledgement) -> None:
    """Replace the slot's file."""
    write_atomic(folder / f"{slot}.json", msgspec.json.encode(acknowledgement))


def forget(folder: Path, slot: int) -> None:
    """Remove what an earlier worker of the slot said; for the worker that has the slot now."""
    (folder / f"{slot}.json").unlink(missing_ok=True)


def read(folder: Path, slot: int) -> Acknowledgement | None:
    """Return what the slot's worker said last; None: nothing since it took the slot.

    The worker may be dead by now: compare `life`, or ask `counters.held_slots`.
    """
    try:
        return msgspec.json.decode((folder / f"{slot}.json").read_bytes(), type=Acknowledgement)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
