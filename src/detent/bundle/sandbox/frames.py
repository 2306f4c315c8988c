"""What goes over the pipe between a model's process and its caller: a length, then msgpack; scores as raw float64."""

from __future__ import annotations

import socket
import struct
from time import monotonic

import msgspec

from detent.records.signature import Field

MAX_FRAME = 256 << 20
_LENGTH = struct.Struct("<I")


class Start(msgspec.Struct, frozen=True):
    """First frame to the child: what it is."""

    folder: str
    inputs: tuple[Field, ...]
    probability: bool
    memory: int  # bytes


class Question(msgspec.Struct, frozen=True):
    """A call: values by column."""

    columns: dict[str, list[bool | int | float | str | None]]
    rows: int


class Answer(msgspec.Struct, frozen=True):
    """What came of a call, or of the start."""

    scores: bytes = b""  # float64 in the machine's order
    error: str = ""
    limits: tuple[str, ...] = ()  # what could not be forbidden
    full: bool = False  # it has no memory left, and ends


def send(pipe: socket.socket, message: object) -> None:
    """Write one frame.

    Raises:
        OSError: the other side is gone, or (TimeoutError) does not read.
    """
    payload = msgspec.msgpack.encode(message)
    pipe.sendall(_LENGTH.pack(len(payload)) + payload)


def receive(pipe: socket.socket, until: float | None = None) -> bytes:
    """Return the payload of the next frame; b"" when the other side is gone.

    `until` is a moment of `time.monotonic()`.

    Raises:
        TimeoutError: it did not come in time.
        ValueError: it would be larger than any answer.
    """
    head = _exactly(pipe, _LENGTH.size, until)
    if not head:
        return b""
    (length,) = _LENGTH.unpack(head)
    if not 0 < length <= MAX_FRAME:
        raise ValueError(f"a frame of {length:,} bytes")
    return _exactly(pipe, length, until)


def _exactly(pipe: socket.socket, size: int, until: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if until is not None:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            pipe.settimeout(left)
        try:
            part = pipe.recv(min(size - len(parts), 1 << 20))
        except ConnectionError:
            return b""
        if not part:
            return b""
        parts += part
    return bytes(parts)
