"""Plain values that JSON does not have, as tagged JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from detent.pipeline.codecs.misfit import Unfit


@dataclass(frozen=True, slots=True)
class Scalar:
    """How values of one type are written under a tag and read again."""

    tag: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _write_datetime(value: datetime) -> list[Any]:
    # The moment and the zone, not the moment alone: adding a day depends on the zone.
    zone = value.tzinfo
    if zone is None or type(zone) is timezone:
        return [value.isoformat(timespec="microseconds")]
    if type(zone) is ZoneInfo and zone.key:
        return [value.replace(tzinfo=None).isoformat(timespec="microseconds"), zone.key, value.fold]
    raise Unfit(value, f"its time zone is a {type(zone).__name__}", "use datetime.UTC or zoneinfo.ZoneInfo")


def _read_datetime(plain: list[Any]) -> datetime:
    moment = datetime.fromisoformat(plain[0])
    return moment if len(plain) == 1 else moment.replace(tzinfo=ZoneInfo(plain[1]), fold=plain[2])


def _write_time(value: time) -> str:
    if value.tzinfo is not None and type(value.tzinfo) is not timezone:
        raise Unfit(value, "its offset depends on the day", "return a datetime, or a time with a fixed offset")
    return value.isoformat(timespec="microseconds")


def _micros(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


# Every NaN is the same value, whatever its bits; -0.0 is plain JSON and another value than 0.0.
SCALARS: dict[type, Scalar] = {
    float: Scalar("$float", repr, float),
    complex: Scalar("$complex", lambda v: [repr(v.real), repr(v.imag)], lambda p: complex(float(p[0]), float(p[1]))),
    bytes: Scalar("$bytes", lambda v: base64.b64encode(v).decode(), lambda p: base64.b64decode(p, validate=True)),
    Decimal: Scalar("$decimal", str, Decimal),
    date: Scalar("$date", date.isoformat, date.fromisoformat),
    datetime: Scalar("$datetime", _write_datetime, _read_datetime),
    time: Scalar("$time", _write_time, time.fromisoformat),
    timedelta: Scalar("$timedelta", _micros, lambda p: timedelta(microseconds=p)),
    UUID: Scalar("$uuid", str, UUID),
    PurePosixPath: Scalar("$posix", str, PurePosixPath),
    PureWindowsPath: Scalar("$windows", str, PureWindowsPath),
}
READERS: dict[str, Callable[[Any], Any]] = {scalar.tag: scalar.read for scalar in SCALARS.values()}
