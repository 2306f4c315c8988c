"""The rows that a serving process answered in one turn of its event loop, as the payload of one frame, and back.

Version 2: the byte 2, then a msgpack array: the names of inputs that rows refer to by number, and the rows themselves,
each an array in the order of `LogRow`. Version 1 had one frame per row, a JSON object, so it begins with `{`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

VERSION = 2
_START = bytes((VERSION,))


class LogRow(msgspec.Struct, array_like=True, gc=False):
    """A `records.prediction.Prediction` on its way to the disk. Made by position: that is the quickest way."""

    id: str
    time: int  # microseconds since 1970, UTC
    endpoint: str
    route_seq: int
    version: int
    served_by: int | None
    arm: str
    propensity: float
    entity: str
    shape: int  # number of the names of `values` within the turn
    values: Any  # the inputs in the order of these names, some perhaps `masked` or `shortened`
    score: float | None
    error: str
    seconds: float
    request: str
    scores: tuple[float, ...] = ()  # of several classes: a probability for each class of the version, in its order


class Turn(msgspec.Struct, array_like=True):
    """What one frame holds."""

    shapes: dict[int, tuple[str, ...]]
    rows: list[LogRow]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Turn).decode


def encode_names(names: Sequence[str]) -> msgspec.Raw:
    """Return the names of a shape as they stand in a frame, to be made once and used in every turn."""
    return msgspec.Raw(_ENCODE(tuple(names)))


def encode_turn(shapes: Mapping[int, msgspec.Raw], rows: Sequence[LogRow]) -> bytes:
    """Return the payload of a frame; `shapes` has the names of every number that the rows refer to."""
    return _START + _ENCODE((shapes, rows))


def decode_turn(payload: bytes) -> Turn:
    """Return the turn that a payload of version 2 holds.

    Raises:
        msgspec.DecodeError: another program wrote it.
    """
    if payload[:1] != _START:
        raise msgspec.DecodeError(f"it is in no form that is known here; it begins with {payload[:1]!r}")
    return _DECODE(memoryview(payload)[1:])


def masked(digest: str) -> dict[str, str]:
    """Return what is logged for a value that must not be: equal values have equal digests."""
    return {"hashed": digest}


def shortened(text: str, kept: int) -> dict[str, Any]:
    """Return what is logged for a text that is too long: how it begins, and how many characters it had."""
    return {"cut": text[:kept], "characters": len(text)}
