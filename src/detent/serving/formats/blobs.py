"""Open Inference Protocol V2, binary extension: a JSON header, then the tensors' bytes one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detent.serving.formats.format import Headers
from detent.serving.formats.tensors import Head, Tensor, json_values
from detent.serving.problems import FieldError, Problem
from detent.serving.rows.validate import MAX_TEXT, invalid, named

LENGTH_HEADER = b"inference-header-content-length"
SIZE = "binary_data_size"
DTYPES = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip


def split_body(body: bytes, headers: Headers) -> tuple[bytes, memoryview | None]:
    """Return the JSON of a request and the bytes behind it; None when all of it is JSON.

    Raises:
        Problem: 400 for a length that is no number, or longer than the body.
    """
    text = headers.get(LENGTH_HEADER)
    if text is None:
        return body, None
    if not text.isdigit() or len(text) > 9 or int(text) > len(body):
        field, message = (
            LENGTH_HEADER.decode(),
            f"it is {text[:40].decode('latin-1')!r} for a body of {len(body)} bytes",
        )
        raise Problem(
            400,
            "bad-header",
            what="the length of the JSON header can't be right",
            why=message,
            fix="send the number of bytes of the JSON before the binary data, or leave the header out",
            errors=(FieldError(field=field, message=message),),
        )
    size = int(text)
    return body[:size], memoryview(body)[size:]


def read_tensors(heads: Sequence[Head], blob: memoryview | None) -> list[Tensor]:
    """Return the tensors of a request with their values; `blob` holds those of the binary ones, in order.

    Raises:
        Problem: 422 when sizes do not fit the shapes, or bytes are left over.
    """
    tensors, at = list[Tensor](), 0
    for head in heads:
        size = _size(head)
        if size is None:
            tensors.append(Tensor(head, json_values(head)))
            continue
        left = 0 if blob is None else len(blob) - at
        if blob is None or size > left:
            raise _wrong(head, f"it is {size}, but {left} bytes are left behind the JSON")
        tensors.append(Tensor(head, _values(head, blob[at : at + size])))
        at += size
    if blob is not None and at != len(blob):
        message = f"{len(blob) - at} bytes behind the JSON belong to no tensor; give each its {SIZE}"
        raise invalid([FieldError(field="inputs", message=message)])
    return tensors


def _size(head: Head) -> int | None:
    parameters = head.raw.get("parameters")
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        message = f"it is {named(parameters)}; send an object"
        raise invalid([FieldError(field=f"{head.spot}.parameters", message=message)])
    size = parameters.get(SIZE)
    if size is None or "data" in head.raw:
        return None
    if type(size) is not int or size < 0:
        raise _wrong(head, f"it is {named(size)}; send a number of bytes")
    return size


def _values(head: Head, blob: memoryview) -> list[Any] | NDArray[Any]:
    count = head.shape[0] * (head.shape[1] if len(head.shape) == 2 else 1)
    if head.datatype == "BYTES":
        return _texts(head, blob, count)
    dtype = np.dtype(DTYPES.get(head.datatype, "u1"))
    if len(blob) != count * dtype.itemsize:
        raise _wrong(head, f"it is {len(blob)}; {count} values of {head.datatype} have {count * dtype.itemsize} bytes")
    values: NDArray[Any] = np.frombuffer(blob, dtype)
    if head.datatype != "BOOL":
        return values
    if values.max() > 1:
        message = f"byte {int(values.argmax())} is neither 0 nor 1"
        raise invalid([FieldError(field=f"{head.spot}.data", message=message)])
    return values.astype(np.bool_)


def _texts(head: Head, blob: memoryview, count: int) -> list[str]:
    """Read strings, each after its length in four bytes."""
    texts, at = list[str](), 0
    while at < len(blob) and len(texts) < count:
        size = int.from_bytes(blob[at : at + 4], "little")
        spot, end = f"{head.spot}.data[{len(texts)}]", at + 4 + size
        if at + 4 > len(blob) or end > len(blob):
            message = f"its length says {size} bytes; {max(0, len(blob) - at - 4)} are left in the tensor"
            raise invalid([FieldError(field=spot, message=message)])
        if size > 4 * MAX_TEXT:
            raise invalid(
                [FieldError(field=spot, message=f"{size:,} bytes; at most {MAX_TEXT:,} characters are taken")]
            )
        try:
            texts.append(str(blob[at + 4 : end], "utf-8"))
        except UnicodeDecodeError as error:
            raise invalid([FieldError(field=spot, message=f"it is not UTF-8 ({error.reason})")]) from error
        at = end
    if len(texts) != count or at != len(blob):
        raise _wrong(head, f"it holds {len(texts)} strings and {len(blob) - at} more bytes; the shape asks for {count}")
    return texts


def _wrong(head: Head, message: str) -> Problem:
    return invalid([FieldError(field=f"{head.spot}.parameters.{SIZE}", message=message)])
