"""What `mlflow models serve` answers: `POST /invocations` with one of four JSON shapes or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from detent.serving.formats.beside import entities_beside
from detent.serving.formats.comma_separated import read_csv
from detent.serving.formats.format import JSON, Headers, Reply
from detent.serving.formats.frame_reader import frame_reader
from detent.serving.formats.frames import SHAPES, NamedRow, rows_of
from detent.serving.formats.lenient import decode_leniently
from detent.serving.formats.whole import missing_rows
from detent.serving.predict.endpoints import Endpoint
from detent.serving.problems import FieldError, Problem, fields_of
from detent.serving.rows.answers import Line
from detent.serving.rows.class_answers import tables
from detent.serving.rows.validate import MAX_SHOWN, LooseRequest, Request, Row, RowReader, invalid, named, unknown

CSV = b"text/csv"
MAX_HEADER_ROWS = 50  # above so many rows, ids go into the body (when asked for) and not into a header
_KEYS = (*SHAPES, "params")


class _Answer(msgspec.Struct, omit_defaults=True, gc=False):
    predictions: Sequence[float | Sequence[float] | None]
    prediction_ids: list[str] | None = None
    versions: list[int] | None = None
    fallbacks: list[bool] | None = None


_ENCODE = msgspec.json.Encoder().encode


class Invocations:
    """Frames in, `{"predictions": [...]}` out. Ids, versions and fallbacks travel in headers."""

    def read(
        self, endpoint: Endpoint, reader: RowReader | None, body: bytes, headers: Headers
    ) -> Request | LooseRequest:
        """Return the rows; see `Format.read`.

        Raises:
            Problem: also 415 for a content type that is neither JSON nor CSV.
        """
        if _kind(headers) == CSV:
            return _request(reader, read_csv(body, _kinds(endpoint, reader)), "rows", None)
        if reader is not None:
            found = frame_reader(reader).read(body)
            if found is not None:
                entities = entities_beside(found.params, len(found.rows), "params")
                return Request(reader, found.rows, entities, wish=_wish(found.params))
        shape, value, params = _shape(decode_leniently(body))
        rows = rows_of(shape, value, None if reader is None else reader.names)
        return _request(reader, rows, shape, params)

    def write(self, endpoint: Endpoint, request: Request | LooseRequest, lines: Sequence[Line]) -> Reply:
        """Return the scores, of several classes a list per row; a row without one makes it an error."""
        problem = missing_rows(lines)
        if problem is not None:
            return self.refuse(problem)
        answer = _Answer(tables(lines)[1] if endpoint.classes else [line.score for line in lines])
        if request.wish:
            answer.prediction_ids = [line.id for line in lines]
            answer.versions = [line.version for line in lines]
            answer.fallbacks = [line.fallback for line in lines]
        return Reply(200, JSON, _ENCODE(answer), _headers(lines))

    def refuse(self, problem: Problem) -> Reply:
        """Return the members of problem+json behind `error_code` and `message` that MLflow's clients look for."""
        code = "BAD_REQUEST" if problem.status < 500 else "INTERNAL_ERROR"
        text = f"{problem.what}: {problem.why}; {problem.fix}"
        body = msgspec.json.encode({"error_code": code, "message": text, **fields_of(problem)})
        return Reply(problem.status, JSON, body, problem.headers)


def _headers(lines: Sequence[Line]) -> tuple[tuple[bytes, bytes], ...]:
    if len(lines) > MAX_HEADER_ROWS:
        return ()
    versions = {line.version for line in lines}
    shown = versions if len(versions) == 1 else [line.version for line in lines]
    headers = (
        (b"x-prediction-ids", ",".join([line.id for line in lines]).encode()),
        (b"x-versions", ",".join(map(str, shown)).encode()),
    )
    fallbacks = [str(number) for number, line in enumerate(lines) if line.fallback]
    return (*headers, (b"x-fallback-rows", ",".join(fallbacks).encode())) if fallbacks else headers


def _kind(headers: Headers) -> bytes:
    """Return the content type of a request; JSON when it names none.

    Raises:
        Problem: 415 for another one, or another charset than UTF-8.
    """
    text = headers.get(b"content-type", JSON)
    if text == JSON:
        return JSON
    kind, *parameters = (part.strip().lower() for part in text.split(b";"))
    if kind in (JSON, CSV) and all(part in (b"", b"charset=utf-8", b'charset="utf-8"') for part in parameters):
        return kind
    why = f"Content-Type is {text[:60].decode('latin-1')!r}; application/json and text/csv in UTF-8 are read"
    raise Problem(
        415,
        "unknown-content",
        what="this content type is not read here",
        why=why,
        fix="send JSON or CSV, and say so in Content-Type",
        errors=(FieldError(field="content-type", message=why),),
    )


def _kinds(endpoint: Endpoint, reader: RowReader | None) -> dict[str, str]:
    readers = [reader] if reader is not None else [version.reader for version in endpoint.versions.values()]
    return {field.name: field.kind for one in readers for field in one.signature.inputs}


def _shape(decoded: Any) -> tuple[str, Any, Any]:
    """Return which of the shapes a body has, what stands there, and its params."""
    if not isinstance(decoded, dict):
        message = f"the body is {named(decoded)}; send an object with one of {', '.join(SHAPES)}"
        raise invalid([FieldError(field="", message=message)])
    errors = unknown(decoded, _KEYS)
    shapes = [shape for shape in SHAPES if shape in decoded]
    if len(shapes) != 1:
        message = f"{' and '.join(shapes) or 'none'} given; send exactly one of {', '.join(SHAPES)}"
        errors.append(FieldError(field=shapes[1] if shapes else "", message=message))
    params = decoded.get("params")
    if not (params is None or isinstance(params, dict)):
        errors.append(FieldError(field="params", message=f"it is {named(params)}; send an object"))
    if errors:
        raise invalid(errors)
    return shapes[0], decoded[shapes[0]], params


def _request(reader: RowReader | None, named_rows: list[NamedRow], spot: str, params: Any) -> Request | LooseRequest:
    entities, wish = entities_beside(params, len(named_rows), "params"), _wish(params)
    if reader is None:
        return LooseRequest(named_rows, entities, wish=wish)
    rows, errors = list[Row](), list[FieldError]()
    for number, row in enumerate(named_rows):
        values, wrong = reader.convert(row, f"{spot}[{number}]")
        rows.append(values)
        errors += wrong
        if len(errors) >= MAX_SHOWN:
            break
    if errors:
        raise invalid(errors)
    return Request(reader, rows, entities, wish=wish)


def _wish(params: Any) -> bool:
    """Tell whether the caller wants ids, versions and fallbacks in the body: `"params": {"details": true}`."""
    return bool(params and params.get("details"))
