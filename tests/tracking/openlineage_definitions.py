"""The published OpenLineage definitions as JSON Schema, taken from the official client.

The client's classes are generated from the published schemas and name the very version of each (`_get_schema`), so a
facet of ours must find its class under the URL that it names. What the classes say about fields, which are required,
their types, enumerations and formats, becomes a JSON Schema again. It is stricter than the published one: a facet may
hold no field that is not in its definition.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import pkgutil
import types
import typing
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.serde import Serde

CACHE_FACET = "urn:detent:openlineage:1-0-0:DetentCacheRunFacet"
_FORMATS = {"runid_check": "uuid", "eventtime_check": "date-time"}
_PLAIN = {str: "string", int: "integer", bool: "boolean", float: "number"}

formats = jsonschema.FormatChecker(formats=())


@formats.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return str(UUID(str(value))) == value


@formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return "T" in str(value) and datetime.fromisoformat(str(value)).tzinfo is not None


@formats.checks("uri")
def _is_uri(value: object) -> bool:
    return bool(urlsplit(str(value)).scheme) and not any(letter in str(value) for letter in ' <>"{}|\\^`')


def check_event(event: dict[str, Any]) -> None:
    """Hold an event and every facet in it against the definitions that they name.

    Raises:
        jsonschema.ValidationError: it is not what they say.
        KeyError: a facet names a definition that was never published.
    """
    _check(event, _schema(_published()[event["schemaURL"]]))
    for facet in facets_of(event):
        _check(facet, facet_schema(facet["_schemaURL"]))


def facets_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every facet of an event."""
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    groups = [holder.get(name, {}) for holder in holders for name in ("facets", "inputFacets", "outputFacets")]
    return [facet for group in groups for facet in group.values()]


def facet_schema(url: str) -> dict[str, Any]:
    """Return the JSON Schema of a facet's definition."""
    if url == CACHE_FACET:
        file = resources.files("detent.tracking.openlineage").joinpath("schema", "DetentCacheRunFacet.json")
        return json.loads(file.read_text())
    return _schema(_published()[url]) | {"additionalProperties": False}


def through_the_client(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event as the official client writes it, after its own classes were made of it."""
    cls = _published()[event["schemaURL"]]
    return Serde.to_dict(_build(cls, event))


@cache
def _published() -> dict[str, type]:
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for _, cls in inspect.getmembers(
            importlib.import_module(f"{generated.__name__}.{module.name}"), inspect.isclass
        ):
            if attr.has(cls) and "_get_schema" in vars(cls):
                found[cls._get_schema()] = cls
    return found


def _check(value: object, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema, format_checker=formats).validate(value)


def _schema(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    properties, required = {}, []
    for field in attr.fields(cls):
        properties[field.name] = _kind(hints[field.name])
        check = getattr(field.validator, "__name__", "")
        if check:
            properties[field.name] = {**properties[field.name], "format": _FORMATS.get(check, "uri")}
        if field.default is attr.NOTHING or field.name in ("_producer", "_schemaURL", "producer", "schemaURL"):
            required.append(field.name)
    return {"type": "object", "properties": properties, "required": required}


def _kind(hint: Any) -> dict[str, Any]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _kind(next(part for part in typing.get_args(hint) if part is not types.NoneType))
    if typing.get_origin(hint) is list:
        return {"type": "array", "items": _kind(typing.get_args(hint)[0])}
    if typing.get_origin(hint) is dict or hint is dict:
        return {"type": "object"}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    return _schema(hint) if attr.has(hint) and hint.__name__ != "SchemaDatasetFacetFields" else {"type": "object"}


def _build(cls: Any, value: Any) -> Any:
    """Make the client's own objects of plain JSON; their validators look at it."""
    hints = typing.get_type_hints(cls)
    given = {}
    for field in attr.fields(cls):
        if field.init and field.name in value:
            given[field.alias] = _value(hints[field.name], value[field.name])
    return cls(**given)


def _value(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _value(next(part for part in typing.get_args(hint) if part is not types.NoneType), value)
    if typing.get_origin(hint) is list:
        return [_value(typing.get_args(hint)[0], item) for item in value]
    if typing.get_origin(hint) is dict:
        return {name: _facet(item) for name, item in value.items()}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return hint(value)
    return _build(hint, value) if attr.has(hint) else value


def _facet(value: Any) -> Any:
    cls = _published().get(value.get("_schemaURL", "")) if isinstance(value, dict) else None
    return value if cls is None else _build(cls, value)
