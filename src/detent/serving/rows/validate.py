"""Request bodies -> typed rows, or an error that names the field.

A body takes the fast way first: msgspec decodes it straight into a struct that was made from the model's signature.
Only a body that fails there is looked at field by field, to say what is wrong with each one, or to accept what is
merely written in another way (`2.0` for an integer). Of a key that stands twice in one row the last value counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

import msgspec

from detent.errors import did_you_mean
from detent.records.signature import BOOLEAN, INTEGER, NUMBER, STRING, Field, Signature
from detent.serving.problems import FieldError, Problem

MAX_ROWS = 1_000
MAX_TEXT = 10_000  # characters of one string
MAX_SHOWN = 20  # errors told about one request
MAX_NUMBER = 3.4028234663852886e38  # models compute in float32: beyond this a number would become infinite
_LEAST, _MOST = -(2**63), 2**63 - 1
KINDS: dict[str, Any] = {
    NUMBER: Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)],
    INTEGER: Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)],
    STRING: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)],
    BOOLEAN: bool,
}
_ENTITIES = list[Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] | int | None]
_LOOSE = msgspec.json.Decoder()

Row = tuple[Any, ...]  # values in the order of the signature; None is null


class Request(msgspec.Struct, frozen=True):
    """A decoded predict request."""

    reader: RowReader  # of the signature that the rows were read with
    rows: list[Row]
    entities: list[str | int | None] | None  # one per row, when the caller named them beside the inputs
    version: int | None = None  # the only version that may answer, when the caller names one
    wish: Any = None  # what the format that read the request needs to write its answer


class LooseRequest(msgspec.Struct, frozen=True):
    """A request whose rows are not yet typed, because the versions behind the endpoint want different inputs."""

    rows: list[dict[str, Any]]
    entities: list[str | int | None] | None
    version: int | None = None
    wish: Any = None


class RowReader:
    """Reads rows of one signature. Built once per loaded version; safe for several threads."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.names = tuple(field.name for field in signature.inputs)
        self.places = {name: place for place, name in enumerate(self.names)}
        self._fields = signature.inputs
        self._known = frozenset(self.names)
        aliases = [f"f{number}" for number in range(len(self._fields))]
        row = msgspec.defstruct(
            "InputRow",
            [_struct_field(alias, field) for alias, field in zip(aliases, self._fields, strict=True)],
            rename=dict(zip(aliases, self.names, strict=True)),
            forbid_unknown_fields=True,
            kw_only=True,
        )
        self.row_type: type[msgspec.Struct] = row
        self._body = msgspec.defstruct(
            "Body",
            [
                ("inputs", Annotated[list[row], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]),
                ("entities", _ENTITIES | None, None),
            ],
            forbid_unknown_fields=True,
        )
        self._decoder = msgspec.json.Decoder(self._body)

    def read(self, body: bytes) -> Request:
        """Return the typed rows of a body `{"inputs": [{...}, ...], "entities": [...]}`.

        Raises:
            Problem: 400 when the body is not JSON, 422 when it is not what the signature asks for.
        """
        try:
            decoded: Any = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._read_slowly(body, str(error))
        if decoded.entities is not None and len(decoded.entities) != len(decoded.inputs):
            raise invalid([_entity_count(len(decoded.entities), len(decoded.inputs))])
        return Request(self, list(map(msgspec.structs.astuple, decoded.inputs)), decoded.entities)

    def convert(self, row: Mapping[str, Any], spot: str) -> tuple[Row, list[FieldError]]:
        """Return the typed values of one loose row, and what is wrong with it; `spot` is its name in messages."""
        errors = [] if row.keys() <= self._known else unknown(row, self.names, f"{spot}.")
        values: list[Any] = []
        for field in self._fields:
            value, message = typed_value(field, row.get(field.name), missing=field.name not in row)
            values.append(value)
            if message:
                errors.append(FieldError(field=f"{spot}.{field.name}", message=message))
        return tuple(values), errors

    def columns(self, rows: Sequence[Row]) -> dict[str, Sequence[Any]]:
        """Return the rows as the model takes them: values by column."""
        return dict(zip(self.names, zip(*rows, strict=True), strict=True))

    def as_dict(self, row: Row) -> dict[str, Any]:
        """Return one typed row by field name."""
        return dict(zip(self.names, row, strict=True))

    def _read_slowly(self, body: bytes, reason: str) -> Request:
        loose = read_loosely(body, reason)
        rows, errors = [], []
        for number, row in enumerate(loose.rows):
            if len(errors) >= MAX_SHOWN and not row.keys() <= self._known:
                break  # nobody reads more, and to look for the names that were meant takes long
            values, wrong = self.convert(row, f"inputs[{number}]")
            rows.append(values)
            errors.extend(wrong)
        if errors:
            raise invalid(errors)
        return Request(self, rows, loose.entities)


def read_loosely(body: bytes, reason: str = "") -> LooseRequest:
    """Return the rows of a body without looking at their fields; `reason` is what a stricter reader complained about.

    Raises:
        Problem: 400 when the body is not JSON, 422 when it is not a list of rows.
    """
    decoded = decode_json(body, reason)
    if not isinstance(decoded, dict):
        raise invalid([FieldError(field="", message=f'the body is {named(decoded)}; send {{"inputs": [{{...}}]}}')])
    errors = unknown(decoded, ("inputs", "entities"))
    rows = decoded.get("inputs")
    if not isinstance(rows, list) or not rows:
        what = "it is missing" if "inputs" not in decoded else "it is empty" if rows == [] else f"it is {named(rows)}"
        raise invalid([*errors, FieldError(field="inputs", message=f"{what}; send a list of 1 to {MAX_ROWS:,} rows")])
    if len(rows) > MAX_ROWS:
        message = f"{len(rows):,} rows in one request; send at most {MAX_ROWS:,} and split the rest"
        raise invalid([*errors, FieldError(field="inputs", message=message)])
    errors += [
        FieldError(field=f"inputs[{number}]", message=f"a row is an object, not {named(row)}")
        for number, row in enumerate(rows)
        if not isinstance(row, dict)
    ]
    errors += entity_errors(decoded.get("entities"), len(rows))
    if errors:
        raise invalid(errors)
    return LooseRequest(rows, decoded.get("entities"))


def decode_json(body: bytes, reason: str = "") -> Any:
    """Return any JSON value.

    Raises:
        Problem: 400 when the bytes are not JSON, 422 when a number in them does not fit.
    """
    try:
        return _LOOSE.decode(body)
    except msgspec.ValidationError as error:  # correct JSON, but a number too large for any type
        text = reason or str(error)
        raise invalid([FieldError(field=_path(text), message=text.partition(" - at ")[0].lower())]) from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply", "send flat rows") from error
    except UnicodeDecodeError as error:
        raise _malformed("a string in it is not UTF-8", "encode the body as UTF-8") from error
    except msgspec.DecodeError as error:
        fix = "send JSON (RFC 8259)"
        if re.search(rb"\b(NaN|-?Infinity)\b", body):
            fix = "JSON has no NaN and no Infinity: send null for a value that is not known"
        raise _malformed(str(error), fix) from error


def invalid(
    errors: Sequence[FieldError], what: str = "the request does not fit the model's inputs", effect: str = ""
) -> Problem:
    """Build the 422 for fields that are wrong; the list is cut at 20. `effect` says what that means for the rest."""
    shown = tuple(errors[:MAX_SHOWN])
    more = f", {len(shown)} of them shown" if len(errors) > len(shown) else ""
    first = shown[0]
    text = f"{first.field}: {first.message}" if first.field else first.message
    return Problem(
        422,
        "invalid-input",
        what=what,
        why=text if len(errors) == 1 else f"{text} ({len(errors)} errors{more})",
        fix=f"correct the fields named in `errors`{effect}",
        errors=shown,
    )


def unknown(names: Iterable[str], known: tuple[str, ...], spot: str = "") -> list[FieldError]:
    """Name what is not known, and what was perhaps meant; at most 20, for a body can hold a million names."""
    strange = islice((name for name in names if name not in known), MAX_SHOWN)
    return [
        FieldError(field=f"{spot}{name[:100]}", message=f"unknown field; {did_you_mean(name[:100], known)}")
        for name in strange
    ]


def _malformed(why: str, fix: str) -> Problem:
    return Problem(
        400,
        "malformed-json",
        what="the body is not JSON",
        why=why,
        fix=fix,
        errors=(FieldError(field="", message=why),),
    )


def _struct_field(alias: str, field: Field) -> Any:
    kind = KINDS[field.kind]
    return (alias, kind | None, None) if field.nullable else (alias, kind)


def typed_value(field: Field, value: Any, *, missing: bool) -> tuple[Any, str]:
    """Return the typed value and "", or None and what is wrong."""
    if value is None:
        if field.nullable:
            return None, ""
        return None, f"missing; it must be {_A[field.kind]}" if missing else f"null; it must be {_A[field.kind]}"
    typed = _TYPED[field.kind](value)
    if typed is None:
        return None, _complaint(field.kind, value)
    return typed, ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        typed = float(value)
    except OverflowError:
        return None
    return typed if -MAX_NUMBER <= typed <= MAX_NUMBER else None


def _integer(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and _LEAST <= value <= _MOST else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_TYPED = {NUMBER: _number, INTEGER: _integer, STRING: _string, BOOLEAN: _boolean}
_A = {NUMBER: "a number", INTEGER: "an integer", STRING: "a string", BOOLEAN: "true or false"}


def _complaint(kind: str, value: Any) -> str:
    if kind == STRING and isinstance(value, str):
        return f"{len(value):,} characters; at most {MAX_TEXT:,} are taken"
    if kind in (NUMBER, INTEGER) and isinstance(value, int | float) and not isinstance(value, bool):
        if kind == INTEGER and isinstance(value, float):
            return f"{value!r} is not an integer"
        return "the number is too large"
    return f"it is {named(value)}; it must be {_A[kind]}"


def named(value: Any) -> str:
    """Say what a JSON value is, with a short look at it."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, str):
        return f"a string ({value[:30]!r}{'...' if len(value) > 30 else ''})"
    if isinstance(value, int | float):
        return f"a number ({value!r})" if abs(value) < 1e300 else "a number"
    return "a list" if isinstance(value, list) else "an object"


def entity_errors(entities: Any, rows: int) -> list[FieldError]:
    """Say what is wrong with the entities of a request, of which there must be one per row, or None."""
    if entities is None:
        return []
    if not isinstance(entities, list):
        return [FieldError(field="entities", message=f"it is {named(entities)}; send a list with one entry per row")]
    wrong = (
        (number, entity)
        for number, entity in enumerate(entities)
        if isinstance(entity, bool)
        or not (entity is None or isinstance(entity, int) or (isinstance(entity, str) and len(entity) <= MAX_TEXT))
    )
    errors = [
        FieldError(field=f"entities[{number}]", message=f"it is {named(entity)}; it must be a string or an integer")
        for number, entity in islice(wrong, MAX_SHOWN)
    ]
    return errors if len(entities) == rows else [*errors, _entity_count(len(entities), rows)]


def _entity_count(entities: int, rows: int) -> FieldError:
    return FieldError(
        field="entities",
        message=f"{entities} for {'1 row' if rows == 1 else f'{rows} rows'}; send one per row, in order",
    )


def _path(message: str) -> str:
    """Return the field out of a decoder's message that ends in `at $.inputs[0].temp`."""
    found = re.search(r"`\$\.?(.*)`$", message)
    return found.group(1) if found else ""
