"""Counters that outlive their worker: one memory-mapped file per slot, one writer, any number of readers.

A restarted worker goes on in its slot's file, so every number only grows. Layout: a page with the slot's own numbers,
then one row of 512 bytes per (endpoint, version, arm).
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from detent.errors import BusyError, Place
from detent.records.prediction import ArmCount

LIVE, SHADOW, FALLBACK, HTTP = "live", "shadow", "fallback", "http"
FORCED = "forced"  # rows of callers who named the version
BREAKER = "breaker"  # arm of the rows about circuit breakers: (model, version)
GAUGES = ("starts", "route_seq", "routes_torn", "versions_ready", "versions_refused", "shadow_pending")
COUNTS = (
    "log_failures", "shadow_dropped", "loads", "unauthorised",
    "labels_accepted", "labels_duplicate", "labels_corrected", "labels_unknown",
    "log_dropped", "log_left_out", "log_sync_failures", "log_bytes", "log_level",
    "in_flight", "queued_rows", "limited", "shed",
)  # fmt: skip
NUMBERS = GAUGES + COUNTS  # append only: the position is the place in the file
BUCKETS = 32  # bucket b counts durations below 2**b microseconds (and not below 2**(b-1))
MAX_ENDPOINT = 104  # bytes of an endpoint's name
_MAGIC = b"detent counts 1\0"
_HEAD_BYTES = 4096
_ROW_BYTES = 512
_KEY = struct.Struct("<QQ8s104s")  # in use, version, arm, endpoint
_REQUESTS, _ERRORS, _FALLBACKS, _NANOSECONDS, _HISTOGRAM = range(5)
_LAST = _HISTOGRAM + BUCKETS - 1
_GROWTH = 64  # rows by which a file grows

Key = tuple[str, int, str]  # endpoint, version, arm; or model, version, BREAKER


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """What one worker counted about one arm, or (arm "http", version 0) about requests to an endpoint."""

    endpoint: str
    version: int
    arm: str  # live | shadow | fallback | http
    requests: int  # rows answered or failed; HTTP requests for "http"
    errors: int  # rows the version failed on; answers with status 5xx for "http"
    fallbacks: int  # of these errors, how many another version answered; answers with status 4xx for "http"
    seconds: float  # time inside the model; whole time in the worker for "http"
    histogram: tuple[int, ...]  # 32 counts, see BUCKETS


class Counters:
    """The counters of this process. Rows may be added from several threads; each row must have one writing thread."""

    def __init__(self, folder: Path, slot: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{slot}.bin"
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locks(self._descriptor):
            os.close(self._descriptor)
            raise _taken(self.path, slot)
        self._lock = threading.Lock()
        self._rows: dict[Key, memoryview] = {}  # the values of each
        size = os.fstat(self._descriptor).st_size
        if size < _HEAD_BYTES or os.pread(self._descriptor, 16, 0) != _MAGIC:
            os.ftruncate(self._descriptor, 0)
            size = _HEAD_BYTES + _GROWTH * _ROW_BYTES
            os.ftruncate(self._descriptor, size)
            os.pwrite(self._descriptor, _MAGIC, 0)
        self._numbers = self._map(size)
        for at, (endpoint, version, arm) in _keys(self._numbers.cast("B")):
            row = self._rows[endpoint, version, arm] = self._values(at)
            if arm == BREAKER:  # of an earlier process: this one's are closed
                row[_ERRORS] = 0
        self.set("starts", self.get("starts") + 1)
        self.set("shadow_pending", 0)

    def get(self, name: str) -> int:
        """Return one of the slot's own numbers."""
        return self._numbers[2 + NUMBERS.index(name)]

    def set(self, name: str, value: int) -> None:
        """Set one of the gauges."""
        self._numbers[2 + NUMBERS.index(name)] = value

    def add(self, name: str, count: int = 1) -> None:
        """Count something that has no arm."""
        self._numbers[2 + NUMBERS.index(name)] += count

    def count(self, key: Key, seconds: float, times: int = 1, *, error: bool = False, fallback: bool = False) -> None:
        """Count answers of (endpoint, version, arm) that took `seconds` each, which goes into the histogram."""
        row = self._rows.get(key)
        if row is None:
            row = self._add_row(key)
        nanoseconds = int(seconds * 1e9)
        bucket = (nanoseconds // 1000).bit_length()
        row[_REQUESTS] += times
        row[_NANOSECONDS] += nanoseconds * times
        row[_HISTOGRAM + bucket if bucket < BUCKETS else _LAST] += times
        if error:
            row[_ERRORS] += times
        if fallback:
            row[_FALLBACKS] += times

    def mark_breaker(self, model: str, version: int, *, opened: bool) -> None:
        """Say whether the circuit breaker of a version is open in this process; how often it opened is counted."""
        key = (model, version, BREAKER)
        row = self._rows.get(key) or self._add_row(key)
        row[_REQUESTS] += opened and not row[_ERRORS]
        row[_ERRORS] = opened

    def close(self) -> None:
        """Give the slot free. Nothing may be counted afterwards."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # by hand: the mapping keeps a copy of the descriptor
        os.close(self._descriptor)

    def _add_row(self, key: Key) -> memoryview:
        endpoint, version, arm = key
        with self._lock:
            if key in self._rows:
                return self._rows[key]
            at = _HEAD_BYTES + len(self._rows) * _ROW_BYTES
            if at + _ROW_BYTES > len(self._numbers) * 8:
                os.ftruncate(self._descriptor, at + _GROWTH * _ROW_BYTES)
                # The mapping before stays valid for rows that are in it: both show the same file.
                self._numbers = self._map(at + _GROWTH * _ROW_BYTES)
            packed = _KEY.pack(1, version, arm.encode(), endpoint.encode())
            page = self._numbers.cast("B")
            page[at + 8 : at + _KEY.size] = packed[8:]
            page[at : at + 8] = packed[:8]  # last: a reader sees a whole key or no row
            row = self._rows[key] = self._values(at)
            return row

    def _values(self, at: int) -> memoryview:
        return self._numbers[(at + _KEY.size) // 8 : (at + _ROW_BYTES) // 8]

    def _map(self, size: int) -> memoryview:
        return memoryview(mmap.mmap(self._descriptor, size)).cast("Q")


def read_rows(folder: Path) -> list[CountRow]:
    """Return every row of every slot; numbers of one row were read within microseconds of each other."""
    rows = []
    for path in _files(folder):
        data = memoryview(path.read_bytes())
        for at, (endpoint, version, arm) in _keys(data):
            values = data[at + _KEY.size : at + _KEY.size + 8 * (_HISTOGRAM + BUCKETS)].cast("Q")
            rows.append(
                CountRow(
                    endpoint=endpoint,
                    version=version,
                    arm=arm,
                    requests=values[_REQUESTS],
                    errors=values[_ERRORS],
                    fallbacks=values[_FALLBACKS],
                    seconds=values[_NANOSECONDS] / 1e9,
                    histogram=tuple(values[_HISTOGRAM:]),
                )
            )
    return rows


def read_counts(folder: Path, endpoint: str | None = None) -> list[ArmCount]:
    """Return rows answered and failed per version and arm, summed over workers, since the state folder was made.

    Sorted by version and arm; only grows; a worker's restart loses nothing. `endpoint` None sums over endpoints.
    """
    sums: dict[tuple[int, str], tuple[int, int]] = {}
    for row in read_rows(folder):
        if row.arm in (LIVE, SHADOW) and endpoint in (None, row.endpoint):
            requests, errors = sums.get((row.version, row.arm), (0, 0))
            sums[row.version, row.arm] = (requests + row.requests, errors + row.errors)
    return [
        ArmCount(version=version, arm=arm, requests=requests, errors=errors)
        for (version, arm), (requests, errors) in sorted(sums.items())
    ]


def read_numbers(folder: Path) -> dict[int, dict[str, int]]:
    """Return each slot's own numbers by name."""
    found = {}
    for path in _files(folder):
        values = memoryview(path.read_bytes()[16 : 16 + 8 * len(NUMBERS)]).cast("Q")
        found[int(path.stem)] = dict(zip(NUMBERS, values, strict=True))
    return found


def held_slots(folder: Path) -> list[int]:
    """Return the slots that a living process counts in; the kernel gives a slot free the moment its process ends."""
    held = []
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # Shared: of two that look at once, neither takes the other for a worker.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(int(path.stem))
        finally:
            os.close(descriptor)
    return held


def _locks(descriptor: int) -> bool:
    """Take the file's lock. Somebody who looks for living workers may have it for some microseconds."""
    for pause in (0.001, 0.01, 0.1, 0.0):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(pause)
    return False


def _files(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob("*.bin") if path.stat().st_size > _HEAD_BYTES]
    return sorted(paths, key=lambda path: int(path.stem))


def _keys(data: memoryview) -> Iterator[tuple[int, tuple[str, int, str]]]:
    for at in range(_HEAD_BYTES, len(data) - _ROW_BYTES + 1, _ROW_BYTES):
        used, version, arm, endpoint = _KEY.unpack_from(data, at)
        if not used:
            return
        yield at, (endpoint.rstrip(b"\0").decode(), version, arm.rstrip(b"\0").decode())


def _taken(path: Path, slot: int) -> BusyError:
    return BusyError(
        what=f"slot {slot} has a worker already",
        why="another process writes this slot's counters",
        fix="stop the other server, or give this one its own state folder",
        where=Place(file=str(path)),
    )
