"""The HTTP interface as an OpenAPI 3.1 document: the routes, and the live signatures of the endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import detent
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field
from detent.serving.formats.invocations import Invocations
from detent.serving.formats.tensors import DATATYPES
from detent.serving.formats.v2 import LABEL, OUTPUT, V2
from detent.serving.http.metadata import fields_of
from detent.serving.http.paths import PUBLIC, ROUTES, TRIGGER, Rule
from detent.serving.http.triggers import KEY, MAX_KEY
from detent.serving.predict.endpoints import Endpoint
from detent.serving.rows.validate import MAX_NUMBER, MAX_ROWS, MAX_TEXT

Json = dict[str, Any]

_JSON, _TEXT, _BYTES, _CSV = "application/json", "text/plain", "application/octet-stream", "text/csv"
_PROBLEM = "application/problem+json"
_KIND: Mapping[str, Json] = {
    NUMBER: {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
    INTEGER: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    STRING: {"type": "string", "maxLength": MAX_TEXT},
    BOOLEAN: {"type": "boolean"},
}
_ENTITIES: Json = {"type": "array", "items": {"type": ["string", "integer", "null"]}}
_REASONS = {
    400: "The request is not what the path asks for.",
    401: "The API key is missing or wrong.",
    403: "The API key does not allow this.",
    404: "There is no such endpoint, version or prediction.",
    409: "The key of this call was used for another one.",
    408: "The request did not arrive in time.",
    413: "The body is larger than 10 MiB.",
    415: "The body has a content type or encoding that is not read.",
    422: "Values do not fit the signature; `errors` names the fields.",
    429: "The key has used up its rate, or has too many requests under way.",
    503: "Nobody can answer now; try again after `Retry-After` seconds.",
    504: "The answer would have come after the request's deadline.",
}


def document(endpoints: Mapping[str, Endpoint], *, keys: bool) -> Json:
    """Return the document; predict paths stand there once per endpoint. `keys`: guarded paths need an API key."""
    paths: dict[str, Json] = {}
    for rule in ROUTES:
        for path, operation in _operations(rule, endpoints):
            if keys and rule.access != PUBLIC:
                operation["security"] = [{"key": []}]
            paths.setdefault(path, {})[rule.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "detent", "version": detent.__version__},
        "paths": paths,
        "components": {
            "schemas": {**_SCHEMAS, **{_row_name(name): row_schema(one) for name, one in endpoints.items()}},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def row_schema(endpoint: Endpoint) -> Json:
    """Return the JSON schema of one row of an endpoint."""
    fields = fields_of(endpoint, None)
    several = endpoint.reader is None  # versions want different inputs: no field is needed by all
    return {
        "type": "object",
        "properties": {field.name: value_schema(field) for field in fields},
        "required": [] if several else [field.name for field in fields if not field.nullable],
        "additionalProperties": False,
    }


def value_schema(field: Field) -> Json:
    """Return the JSON schema of one value."""
    schema = _KIND[field.kind]
    return {**schema, "type": [schema["type"], "null"]} if field.nullable else dict(schema)


def _operations(rule: Rule, endpoints: Mapping[str, Endpoint]) -> list[tuple[str, Json]]:
    if "{endpoint}" not in rule.path:
        only = next(iter(endpoints.values())) if len(endpoints) == 1 else None
        return [(rule.path, _operation(rule, only))]
    made = []
    for name, endpoint in endpoints.items():
        operation = _operation(rule, endpoint)
        operation["operationId"] += f"_{_word(name)}"
        if "{version}" in rule.path:
            version = {"type": "integer", "enum": sorted({arm.version for arm in endpoint.route.arms})}
            operation["parameters"] = [{"name": "version", "in": "path", "required": True, "schema": version}]
        made.append((rule.path.replace("{endpoint}", name), operation))
    return made


def _word(text: str) -> str:
    """Return a name that programs made from the document can give to a function."""
    return re.sub("[^A-Za-z0-9]+", "_", text).strip("_")


def _operation(rule: Rule, endpoint: Endpoint | None) -> Json:
    errors = _V2_ERROR if isinstance(rule.format, V2) else _MLFLOW_ERROR if isinstance(rule.format, Invocations) else {}
    kind, schema = (_JSON, errors) if errors else (_PROBLEM, _ref("Problem"))
    statuses = [status for status in _REASONS if rule.access != PUBLIC or status >= 500]
    statuses = [status for status in statuses if status != 409 or rule.access == TRIGGER]
    responses: Json = {
        str(status): {"description": _REASONS[status], "content": {kind: {"schema": schema}}} for status in statuses
    }
    answers = _COLD.get(rule.path)
    if answers is None:
        answers = _ANSWERS["/invocations" if isinstance(rule.format, Invocations) else rule.path.partition("{")[0]]
    responses["202" if rule.access == TRIGGER else "200"] = {"description": "The answer.", "content": answers}
    if rule.path in _HEALTH:  # the same words, with another status
        responses["503"] = {"description": "Not ready yet.", "content": {**answers, **responses["503"]["content"]}}
        if kind in answers:
            responses["503"]["content"][kind] = {"schema": {"anyOf": [answers[kind]["schema"], schema]}}
    operation: Json = {
        "operationId": _word(f"{rule.method.lower()} {rule.path}"),
        "responses": dict(sorted(responses.items())),
    }
    body = _body(rule, endpoint)
    if body is not None:
        operation["requestBody"] = {"required": rule.access != TRIGGER, "content": body}
    if rule.access == TRIGGER:
        operation["parameters"] = [
            {"name": "name", "in": "path", "required": True, "schema": _STRING},
            {"name": KEY.decode().title(), "in": "header", "required": True,
             "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY}},
        ]  # fmt: skip
    return operation


def _body(rule: Rule, endpoint: Endpoint | None) -> Json | None:
    if rule.method != "POST":
        return None
    if rule.access == TRIGGER:
        return {_JSON: {"schema": {"type": "object"}}}
    if rule.path == "/feedback":
        return {_JSON: {"schema": _ref("Labels")}}
    row = _ref(_row_name(endpoint.route.endpoint)) if endpoint is not None else {"type": "object"}
    rows = {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row}
    if isinstance(rule.format, V2):
        return {_JSON: {"schema": _ref("InferRequest")}, _BYTES: {"schema": {"type": "string", "format": "binary"}}}
    if isinstance(rule.format, Invocations):
        return {_JSON: {"schema": _frames(rows)}, _CSV: {"schema": {"type": "string"}}}
    return {_JSON: {"schema": _object({"inputs": rows, "entities": _ENTITIES}, needed=("inputs",), closed=True)}}


def _frames(rows: Json) -> Json:
    names = {"type": "array", "items": {"type": "string"}}
    table = {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": {"type": "array"}}
    shapes = {
        "dataframe_split": _object({"columns": names, "data": table}, needed=("columns", "data")),
        "dataframe_records": rows,
        "instances": {"anyOf": [rows, table]},
        "inputs": {"anyOf": [{"type": "object", "minProperties": 1}, rows, table]},
    }
    params = {"params": {"type": "object"}}
    return {"oneOf": [_object({key: shape, **params}, needed=(key,), closed=True) for key, shape in shapes.items()]}


def _row_name(endpoint: str) -> str:
    """Return a name that a component may have."""
    return "Row-" + "".join(
        letter if letter.isascii() and letter.isalnum() else f"_{ord(letter):x}" for letter in endpoint
    )


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Json], *, needed: tuple[str, ...] | None = None, closed: bool = False) -> Json:
    """Return the schema of an object; all properties are needed unless `needed` says which."""
    required = list(properties if needed is None else needed)
    schema: Json = {"type": "object", "properties": dict(properties), "required": required}
    return {**schema, "additionalProperties": False} if closed else schema


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_STRING: Json = {"type": "string"}
_INTEGER: Json = {"type": "integer"}
_BOOL: Json = {"type": "boolean"}
_NUMBER: Json = {"type": "number"}
_SHAPE = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
_SCHEMAS: dict[str, Json] = {
    "Problem": _object(
        {"type": _STRING, "title": _STRING, "status": _INTEGER, "detail": _STRING,
         "errors": _list(_object({"field": _STRING, "message": _STRING}))}
    ),
    "Answer": _object(
        {"model": _STRING, "predictions": _list(_object(
            {"id": _STRING, "version": _INTEGER, "score": {"type": ["number", "null"]}, "fallback": _BOOL,
             "error": _STRING, "label": _STRING,
             "probabilities": {"type": "object", "additionalProperties": _NUMBER}},
            needed=("id", "version", "score"),
        ))},
    ),
    "Labels": _object(
        {"labels": {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": _object(
            {"prediction_id": _STRING, "value": {"type": ["number", "boolean", "string"]},
             "at": {"type": "string", "format": "date-time"}},
            needed=("prediction_id", "value"),
        )}},
    ),
    "Receipt": _object(
        {"accepted": _INTEGER, "duplicate": _INTEGER, "corrected": _INTEGER, "stale": _INTEGER,
         "refused": _list(_object({"field": _STRING, "message": _STRING}))}
    ),
    "InferRequest": _object(
        {"id": _STRING, "parameters": {"type": "object"},
         "inputs": {"type": "array", "minItems": 1, "items": _object(
             {"name": _STRING, "shape": _SHAPE, "datatype": {"enum": list(DATATYPES)}, "data": {"type": "array"},
              "parameters": {"type": "object"}},
             needed=("name", "shape", "datatype", "data"),
         )},
         "outputs": _list(_object({"name": {"const": OUTPUT}, "parameters": {"type": "object"}}, needed=("name",)))},
        needed=("inputs",),
    ),
    "InferAnswer": _object(
        {"model_name": _STRING, "model_version": _STRING, "id": _STRING,
         "parameters": _object(
             {"prediction_ids": _list(_STRING), "versions": _list(_INTEGER), "fallbacks": _list(_BOOL),
              "classes": _list(_STRING)}
         ),
         "outputs": _list(_object(
             {"name": {"enum": [OUTPUT, LABEL]}, "datatype": {"enum": ["FP64", "BYTES"]}, "shape": _SHAPE,
              "data": {"type": "array", "items": {"type": ["number", "string"]}},
              "parameters": _object({"binary_data_size": _INTEGER})},
             needed=("name", "datatype", "shape"),
         ))},
        needed=("model_name", "parameters", "outputs"),
    ),
    "Predictions": _object(
        {"predictions": _list({"anyOf": [_NUMBER, _list(_NUMBER)]}), "prediction_ids": _list(_STRING),
         "versions": _list(_INTEGER),
         "fallbacks": _list(_BOOL)},
        needed=("predictions",),
    ),
    "Model": _object(
        {"name": _STRING, "versions": _list(_STRING), "platform": _STRING,
         "inputs": _list(_ref("Tensor")), "outputs": _list(_ref("Tensor"))}
    ),
    "Tensor": _object({"name": _STRING, "datatype": {"enum": list(DATATYPES)}, "shape": _list(_INTEGER)}),
}  # fmt: skip
_V2_ERROR: Json = {"allOf": [_object({"error": _STRING}), _ref("Problem")]}
_MLFLOW_ERROR: Json = {"allOf": [_object({"error_code": _STRING, "message": _STRING}), _ref("Problem")]}
_ANSWERS: Mapping[str, Json] = {  # by the text before the name of the endpoint
    "/v1/models/": {_JSON: {"schema": _ref("Answer")}},
    "/v2/models/": {_JSON: {"schema": _ref("InferAnswer")}, _BYTES: {"schema": {"type": "string", "format": "binary"}}},
    "/invocations": {_JSON: {"schema": _ref("Predictions")}},
}
_PLAIN: Json = {_TEXT: {"schema": _STRING}}
_COLD: Mapping[str, Json] = {
    "/feedback": {_JSON: {"schema": _ref("Receipt")}},
    "/v1/triggers/{name}": {_JSON: {"schema": _object({"call": _STRING, "state": {"enum": ["accepted", "known"]}})}},
    "/v2": {_JSON: {"schema": _object({"name": _STRING, "version": _STRING, "extensions": _list(_STRING)})}},
    "/v2/health/live": {_JSON: {"schema": _object({"live": _BOOL})}},
    "/v2/health/ready": {_JSON: {"schema": _object({"ready": _BOOL})}},
    "/v2/models/{endpoint}": {_JSON: {"schema": _ref("Model")}},
    "/v2/models/{endpoint}/versions/{version}": {_JSON: {"schema": _ref("Model")}},
    "/v2/models/{endpoint}/ready": {_JSON: {"schema": _object({"name": _STRING, "ready": _BOOL})}},
    "/v2/models/{endpoint}/versions/{version}/ready": {_JSON: {"schema": _object({"name": _STRING, "ready": _BOOL})}},
    "/ping": _PLAIN,
    "/health": _PLAIN,
    "/version": _PLAIN,
    "/healthz": {_JSON: {"schema": _object({"status": _STRING})}},
    "/readyz": {_JSON: {"schema": _object({"status": _STRING, "missing": _list(_STRING)})}},
    "/openapi.json": {_JSON: {"schema": {"type": "object"}}},
    "/metrics": _PLAIN,
}
_HEALTH = frozenset(path for path in _COLD if path.endswith(("/ready", "/readyz", "/ping", "/health")))
