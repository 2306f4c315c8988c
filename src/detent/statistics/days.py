"""The granules of one day in one file: what a process counted for one version, hour by hour."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from detent.errors import TamperedError
from detent.statistics.granules import Granule, from_bytes, to_bytes
from detent.store.canonical import canonical

_MAGIC = b"detent day 1\n"


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_to_bytes(hours: Mapping[datetime, Granule]) -> bytes:
    """Return granules, by the beginning of their hour, in one form."""
    return day_of({hour: to_bytes(granule) for hour, granule in hours.items()})


def day_of(hours: Mapping[datetime, bytes]) -> bytes:
    """Return the same of granules that `to_bytes` has turned into bytes before."""
    packed = sorted(hours.items())
    head = canonical([(hour.isoformat(), len(data)) for hour, data in packed])
    return _MAGIC + struct.pack("<I", len(head)) + head + b"".join(data for _, data in packed)


def day_from_bytes(data: bytes) -> dict[datetime, Granule]:
    """Return what `day_to_bytes` wrote; each granule has a checksum of its own.

    Raises:
        TamperedError: the bytes are cut, damaged, or something else.
    """
    try:
        if not data.startswith(_MAGIC):
            raise ValueError("it does not begin as such a file does")
        start = len(_MAGIC) + 4
        end = start + struct.unpack_from("<I", data, len(_MAGIC))[0]
        found: dict[datetime, Granule] = {}
        for hour, size in msgspec.json.decode(data[start:end], type=list[tuple[datetime, int]]):
            found[hour] = from_bytes(data[end : end + size])
            end += size
    except (ValueError, struct.error, msgspec.DecodeError) as error:
        raise TamperedError(
            what="this file holds no counts of predictions",
            why=str(error)[:300],
            fix="remove it; the prediction log is counted instead",
        ) from error
    return found
