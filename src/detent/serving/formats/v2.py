"""The Open Inference Protocol V2 of KServe, Triton and MLServer: `POST /v2/models/{endpoint}/infer`."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from detent.serving.formats.beside import entities_beside
from detent.serving.formats.blobs import SIZE, read_tensors, split_body
from detent.serving.formats.format import JSON, Headers, Reply
from detent.serving.formats.lenient import decode_leniently
from detent.serving.formats.pin import pinned_reader
from detent.serving.formats.tensor_reader import Envelope, tensor_reader
from detent.serving.formats.tensors import loose_rows, read_heads, typed_columns
from detent.serving.formats.whole import missing_rows
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import FieldError, Problem, fields_of
from detent.serving.rows.answers import Line
from detent.serving.rows.class_answers import tables
from detent.serving.rows.validate import LooseRequest, Request, Row, RowReader, invalid, named

OUTPUT, LABEL = "score", "label"
_BINARY = b"application/octet-stream"
_LENGTH = b"Inference-Header-Content-Length"


class Wish(NamedTuple):
    """How a caller wants its answer."""

    id: str | None
    binary: bool
    label: bool = True  # of several classes: with the most probable one, besides the probabilities


class _Output(msgspec.Struct, omit_defaults=True, gc=False):
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[float | str | None] | None = None
    parameters: Mapping[str, int] | None = None


class _Parameters(msgspec.Struct, omit_defaults=True, gc=False):
    """One entry per row: lists, which the protocol's prose allows nowhere and its clients take everywhere."""

    prediction_ids: list[str]
    versions: list[int]
    fallbacks: list[bool]
    classes: Sequence[str] = ()  # what the columns of the score are about


class _Answer(msgspec.Struct, omit_defaults=True, gc=False):
    model_name: str
    parameters: _Parameters
    outputs: tuple[_Output, ...]
    model_version: str = ""  # left out when several versions answered
    id: str | None = None


_ENCODE = msgspec.json.Encoder().encode


class V2:
    """Tensors in, one tensor `score` out; of several classes (rows, classes), with the tensor `label`."""

    def __init__(self, version: int | None = None) -> None:
        self._version = version  # the one that shall answer; None: the route decides

    def read(
        self, endpoint: Endpoint, reader: RowReader | None, body: bytes, headers: Headers
    ) -> Request | LooseRequest:
        """Return the rows; see `Format.read`."""
        if self._version is not None:
            reader = pinned_reader(endpoint, self._version)
        head, blob = split_body(body, headers)
        if reader is None:
            return self._read_loosely(endpoint, head, blob)
        quick = tensor_reader(reader)
        found = quick.read(head) if blob is None else quick.read_binary(head, blob)
        if found is None:
            found = _read_patiently(reader, head, blob)
        rows, envelope = found
        entities = entities_beside(envelope.parameters, len(rows), "parameters")
        return Request(reader, rows, entities, self._version, _wish(envelope, endpoint))

    def _read_loosely(self, endpoint: Endpoint, head: bytes, blob: memoryview | None) -> LooseRequest:
        decoded, envelope = _decode(head)
        rows = loose_rows(read_tensors(read_heads(decoded.get("inputs")), blob))
        return LooseRequest(
            rows,
            entities_beside(envelope.parameters, len(rows), "parameters"),
            self._version,
            _wish(envelope, endpoint),
        )

    def write(self, endpoint: Endpoint, request: Request | LooseRequest, lines: Sequence[Line]) -> Reply:
        """Return the scores as a tensor; a row without one makes it an error."""
        problem = missing_rows(lines)
        if problem is not None:
            return self.refuse(problem)
        scores = [line.score for line in lines]
        versions = [line.version for line in lines]
        wish: Wish = request.wish
        if endpoint.classes:
            return _write_classes(endpoint, wish, lines)
        answer = _Answer(
            endpoint.route.endpoint,
            _Parameters([line.id for line in lines], versions, [line.fallback for line in lines]),
            (_Output(OUTPUT, "FP64", (len(scores),)),),
            str(versions[0]) if len(set(versions)) == 1 else "",
            wish.id,
        )
        if not wish.binary:
            answer.outputs[0].data = scores
            return Reply(200, JSON, _ENCODE(answer))
        blob = struct.pack(f"<{len(scores)}d", *scores)
        answer.outputs[0].parameters = {SIZE: len(blob)}
        head = _ENCODE(answer)
        return Reply(200, _BINARY, head + blob, ((_LENGTH, str(len(head)).encode()),))

    def refuse(self, problem: Problem) -> Reply:
        """Return the members of problem+json behind the `error` that this protocol's clients look for."""
        text = f"{problem.what}: {problem.why}; {problem.fix}"
        body = msgspec.json.encode({"error": text, **fields_of(problem)})
        return Reply(problem.status, JSON, body, problem.headers)


def _write_classes(endpoint: Endpoint, wish: Wish, lines: Sequence[Line]) -> Reply:
    """Return a probability per row and class, and the most probable class of each row."""
    names, rows = tables(lines)
    scores, labels = [value for row in rows for value in row], [line.label for line in lines]
    score, label = _Output(OUTPUT, "FP64", (len(rows), len(names))), _Output(LABEL, "BYTES", (len(rows),))
    versions = [line.version for line in lines]
    answer = _Answer(
        endpoint.route.endpoint,
        _Parameters([line.id for line in lines], versions, [line.fallback for line in lines], names),
        (score, label) if wish.label else (score,),
        str(versions[0]) if len(set(versions)) == 1 else "",
        wish.id,
    )
    if not wish.binary:
        score.data, label.data = scores, labels
        return Reply(200, JSON, _ENCODE(answer))
    texts = [text.encode() for text in labels] if wish.label else []
    blobs = (
        struct.pack(f"<{len(scores)}d", *scores), b"".join([struct.pack("<I", len(text)) + text for text in texts])
    )  # fmt: skip
    score.parameters, label.parameters = {SIZE: len(blobs[0])}, {SIZE: len(blobs[1])}
    head = _ENCODE(answer)
    return Reply(200, _BINARY, head + b"".join(blobs), ((_LENGTH, str(len(head)).encode()),))


def _read_patiently(reader: RowReader, head: bytes, blob: memoryview | None) -> tuple[list[Row], Envelope]:
    decoded, envelope = _decode(head)
    columns = typed_columns(read_tensors(read_heads(decoded.get("inputs")), blob), reader)
    return list(zip(*columns, strict=True)), envelope


def _decode(head: bytes) -> tuple[dict[str, Any], Envelope]:
    decoded = decode_leniently(head)
    if not isinstance(decoded, dict):
        message = f'the body is {named(decoded)}; send {{"inputs": [{{"name": ..., "shape": ...}}]}}'
        raise invalid([FieldError(field="", message=message)])
    beside = {name: decoded[name] for name in ("id", "parameters", "outputs") if name in decoded}
    try:
        return decoded, msgspec.convert(beside, Envelope)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise invalid([FieldError(field=path.rstrip("`"), message=message.lower())]) from error


def _wish(envelope: Envelope, endpoint: Endpoint) -> Wish:
    outputs = envelope.outputs or ()
    known = (OUTPUT, LABEL) if outputs and endpoint.classes else (OUTPUT,)
    for number, output in enumerate(outputs):
        if output.name not in known or output.name in [one.name for one in outputs[:number]]:
            told = f"the one output is `{OUTPUT}`" if len(known) == 1 else f"outputs are `{'` and `'.join(known)}`"
            message = f"it is {named(output.name)}; {told}"
            raise invalid([FieldError(field=f"outputs[{number}].name", message=message)])
        if (output.parameters or {}).get("classification"):
            message = "classes are not given out; read the scores"
            raise invalid([FieldError(field=f"outputs[{number}].parameters.classification", message=message)])
    binary = bool((envelope.parameters or {}).get("binary_data_output", False))
    for output in outputs:
        binary = bool((output.parameters or {}).get("binary_data", binary))
    return Wish(envelope.id, binary, not outputs or any(output.name == LABEL for output in outputs))
