"""Files that a host writes -> the bytes of its next parcel, and back into the files of the host that takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree

import msgspec

from detent.errors import TamperedError
from detent.predictions.parcels import Positions
from detent.predictions.places import LANDED
from detent.store.segments import OPEN, SEALED, adopt, keep_torn, read_frames

MOST_BYTES = 8 << 20  # of a parcel, and what the last frame is larger
_MARK_BYTES = 8  # of a file's beginning: with its name they tell it from an earlier file of the same name
_COUNTED = re.compile(r"\d{4}-\d\d-\d\d/[^/\0]+\.bin")
_FROM_OTHERS = re.compile(rf"\.{LANDED}\d+\.bin$")
_MOVES = 3  # a segment is finished, then moved
_DAYS_LEFT = timedelta(days=2)  # counts of older days don't change any more


class Contents(msgspec.Struct, frozen=True, array_like=True):
    """What is in a parcel."""

    frames: list[bytes]  # payloads of the log's frames, see `store.turns`
    counts: dict[str, bytes]  # DAY/NAME.bin -> the whole file, which replaces an earlier one


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What is to be sent next."""

    contents: Contents
    positions: Positions  # once it has been sent
    more: bool  # something is left for the next one

    @property
    def empty(self) -> bool:
        """True when there is nothing to send."""
        return not self.contents.frames and not self.contents.counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a host writes."""

    log: Path  # folder of segments
    outgoing: Path  # folder of segments that are in Parquet here, and not yet sent
    counts: Path  # folder of what its processes counted, a folder per day


def encode(contents: Contents) -> bytes:
    """Return the bytes of a parcel."""
    return msgspec.msgpack.encode(contents)


def decode(data: bytes) -> Contents:
    """Return what a parcel holds.

    Raises:
        TamperedError: it is no parcel.
    """
    try:
        found = msgspec.msgpack.decode(data, type=Contents)
    except msgspec.DecodeError as error:
        raise _strange(str(error)) from error
    for name in found.counts:
        if _COUNTED.fullmatch(name) is None:
            raise _strange(f"it names a file {name!r}")
    return found


def pack(sources: Sources, known: Positions, *, most: int = MOST_BYTES) -> Pack:
    """Read what was written since `known`: whole frames of the log, and files of counts that have changed.

    Rows that came from other hosts are left out.
    """
    frames, log, size = list[bytes](), dict[str, int](), 0
    for name, path in _segments(sources):
        offset = known.log.get(name, 0)
        if size < most:
            for payload, end in _read(sources, path, offset):
                frames.append(payload)
                size, offset = size + len(payload), end
                if size >= most:
                    break
        if offset:
            log[name] = offset
    changed, looks = _counts(sources.counts, known)
    positions = Positions(log=log, counts=looks)
    return Pack(contents=Contents(frames, changed), positions=positions, more=size >= most)


def clear(sources: Sources, sent: Positions, *, keeps: bool) -> None:
    """Remove what was sent and is finished. Where the host `keeps` its log, only segments that are in Parquet here.

    Raises:
        StoreError: bytes at the end of a segment that are no rows could not be kept beside it.
    """
    for name, path in _segments(sources):
        if path.suffix == OPEN or (keeps and path.parent != sources.outgoing):
            continue
        if not _read(sources, path, sent.log.get(name, 0)):
            keep_torn(path)
            path.unlink(missing_ok=True)
    if not keeps:
        for path in sources.log.glob(f"*{OPEN}"):
            adopt(path)  # of a process that was killed; the next call removes it


def forget_counts(sources: Sources, sent: Positions, today: date) -> None:
    """Remove counts of days that are over and were sent as they are."""
    for folder in sources.counts.glob("*-*-*"):
        with suppress(ValueError):  # somebody else's folder
            if date.fromisoformat(folder.name) < today - _DAYS_LEFT and all(
                sent.counts.get(f"{folder.name}/{path.name}") == _look(path) for path in folder.glob("*.bin")
            ):
                rmtree(folder, ignore_errors=True)


def trim(folder: Path, most: int) -> int:
    """Remove the oldest files of a folder until it has at most so many bytes; return how many were removed."""
    found = sorted(folder.glob(f"*{SEALED}"), key=lambda path: path.stat().st_mtime_ns)
    size, removed = sum(path.stat().st_size for path in found), 0
    for path in found:
        if size <= most:
            break
        size, removed = size - path.stat().st_size, removed + 1
        path.unlink()
    return removed


def _segments(sources: Sources) -> Iterator[tuple[str, Path]]:
    """Yield the segments of this host by a name that is theirs for good, finished ones first, oldest first."""
    seen = set[str]()
    for folder in (sources.log, sources.outgoing):  # in the order in which a segment moves: none is overlooked
        found = sorted(path for path in folder.glob("*-*") if not path.name.startswith(LANDED))
        for listed in sorted(found, key=lambda path: path.suffix == OPEN):
            path = _now(sources, listed) if listed.suffix in (OPEN, SEALED) else None
            if path is None:
                continue
            mark = _beginning(sources, path)
            name = f"{path.stem}@{mark.hex()}"
            if len(mark) == _MARK_BYTES and name not in seen:
                seen.add(name)
                yield name, path


def _now(sources: Sources, listed: Path) -> Path | None:
    """Return where a segment is by now: finished since the folder was listed, or moved to what is in Parquet."""
    sealed = listed.with_suffix(SEALED)
    return next((path for path in (listed, sealed, sources.outgoing / sealed.name) if path.exists()), None)


def _beginning(sources: Sources, path: Path) -> bytes:
    for _ in range(_MOVES):
        found = _now(sources, path)
        if found is None:
            break
        with suppress(FileNotFoundError), found.open("rb") as file:
            return file.read(_MARK_BYTES)
    return b""


def _read(sources: Sources, path: Path, offset: int) -> list[tuple[bytes, int]]:
    for _ in range(_MOVES):
        found = _now(sources, path)
        if found is None:
            break
        with suppress(FileNotFoundError):  # moved at this moment
            return list(read_frames(found, start=offset))
    return []


def _counts(folder: Path, known: Positions) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files of counts that look otherwise than they did, and what all of them look like."""
    changed, looks = dict[str, bytes](), dict[str, str]()
    for path in sorted(folder.glob("*-*-*/*.bin")):
        name = f"{path.parent.name}/{path.name}"
        if _FROM_OTHERS.search(name) or _COUNTED.fullmatch(name) is None:
            continue
        with suppress(FileNotFoundError):
            looks[name] = _look(path)  # before its bytes: what changes in between is sent again
            if known.counts.get(name) != looks[name]:
                changed[name] = path.read_bytes()
    return changed, looks


def _look(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size}-{found.st_mtime_ns}"


def _strange(why: str) -> TamperedError:
    return TamperedError(
        what="what another host sent is no part of its log",
        why=why,
        fix="look at that host: it may run another release of detent",
    )
