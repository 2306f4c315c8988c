"""Look into an ONNX file without running it and without the onnx package: does it need nothing but itself?

A model file from elsewhere is hostile: it can point to other files (external data), bring functions of its own, or name
operators that only exist where somebody loaded a library. The wire format is protocol buffers: a message is a list of
(field number, wire type, value); fields that hold no message of interest are skipped unread.
Field numbers: onnx.proto of ONNX 1.18 (they never change).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detent.errors import Place, RefusedError

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MAX_DEPTH = 64  # graphs in attributes of nodes of graphs ...

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# message -> field -> what it holds. "!" refuses with the reason after it; a name is a message to walk into.
_WALK: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "!training graphs", 25: "!functions of its own"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "!data in other files", 14: "location"},
    "opset": {1: "domain"},
}
# A tree model keeps its trees in attributes: long runs of `floats` (7), `ints` (8) and short `strings` (9), each one a
# field. None of them is walked into, so a run is passed over in one step. What does not fit is read field by field.
_SHORT = b"|".join(b"%b.{%d}" % (re.escape(bytes((size,))), size) for size in range(32))
_RUN = re.compile(rb"(?>\x3d.{4}|\x40[\x80-\xff]{0,9}+[\x00-\x7f]|\x4a(?>%b))*+" % _SHORT, re.DOTALL)


def inspect_model(data: bytes) -> None:
    """Return when the ONNX model keeps everything inside and uses standard operators only.

    Raises:
        RefusedError: external data, local functions, training graphs, other operator domains, or no ONNX at all.
    """
    waiting: list[tuple[str, int, int, int]] = [("model", 0, len(data), 0)]
    graphs = 0
    while waiting:
        message, start, end, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _refused("graphs nested too deep", f"more than {MAX_DEPTH} levels")
        fields = _WALK[message]
        for number, wire, value, size in _fields(data, start, end, _RUN if message == "attribute" else None):
            holds = fields.get(number)
            if holds is None:
                continue
            if holds.startswith("!"):
                raise _refused(holds[1:], "a bundle's model is one graph that needs nothing but itself")
            if holds == "location":
                if wire == _VARINT and value == 0:  # TensorProto.DEFAULT: the data is inside
                    continue
                raise _refused("data in other files", "a path in a model file could lead anywhere")
            if wire != _BYTES:
                raise _broken("a message was expected")
            if holds == "domain":
                _check_domain(data[value : value + size])
                continue
            graphs += message == "model" and holds == "graph"
            waiting.append((holds, value, value + size, depth + 1))
    if graphs != 1:
        raise _broken(f"it holds {graphs} graphs")


def _fields(
    data: bytes, start: int, end: int, skipped: re.Pattern[bytes] | None
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, value or offset of the bytes, size of the bytes), but not what may be skipped."""
    at = start
    while at < end:
        run = None if skipped is None else skipped.match(data, at, end)
        if run is not None and run.end() > at:
            at = run.end()
            continue
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _BYTES:
            size, at = _varint(data, at, end)
            value, at = at, at + size
        elif wire == _VARINT:
            value, at = _varint(data, at, end)
            size = 0
        elif wire in (_FIXED32, _FIXED64):
            value, size = at, 4 if wire == _FIXED32 else 8
            at += size
        else:
            raise _broken("a wire type that ONNX does not use")
        if at > end:
            raise _broken("a field runs past its message")
        yield number, wire, value, size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and data[at] < 0x80:  # nearly all of them
        return data[at], at + 1
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise _broken("a number is cut off")


def _check_domain(raw: bytes) -> None:
    domain = raw.decode("utf-8", "replace")
    if domain not in DOMAINS:
        raise _refused(f"operators of `{domain[:80]}`", "only the standard operators of ONNX are run")


def _refused(what: str, why: str) -> RefusedError:
    return RefusedError(
        what=f"the model file uses {what}",
        why=why,
        fix="export the model with standard operators and all its weights inside the file",
        where=Place(file="model.onnx"),
    )


def _broken(why: str) -> RefusedError:
    return RefusedError(
        what="the model file is no ONNX model",
        why=why,
        fix="export the model as ONNX again; a bundle, take from the run that made it",
        where=Place(file="model.onnx"),
    )
