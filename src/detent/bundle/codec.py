"""Records to JSON and back. The same record always gives the same bytes."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypeVar

import msgspec

from detent.bundle.protocol import Golden
from detent.errors import Place, TamperedError
from detent.records.bundle import Manifest
from detent.records.check import CheckResult, Verdict
from detent.records.profile import ColumnProfile, Profile
from detent.records.signature import Signature
from detent.store.canonical import canonical

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="sorted")


def manifest_to_json(manifest: Manifest) -> bytes:
    """Return the canonical bytes of a manifest: what is digested and signed."""
    return canonical(msgspec.to_builtins(manifest))


def manifest_from_json(data: bytes) -> Manifest:
    """Return the manifest.

    Raises:
        TamperedError: the bytes are not exactly what `manifest_to_json` writes for some manifest.
    """
    manifest = _decode(data, Manifest, "manifest.json")
    # Unknown keys, other spacing or another order would let two different files mean one manifest.
    if manifest_to_json(manifest) != data:
        raise _foreign("manifest.json", "its bytes are not in canonical form")
    return manifest


def verdict_to_json(verdict: Verdict) -> bytes:
    """Return a verdict as JSON; a NaN inside becomes null.

    A field that came later is left out while it holds its default: a seal covers these bytes, and one that was made
    before there was the field stays good.
    """
    told = msgspec.to_builtins(verdict)
    for record, kind in ((told, Verdict), *((result, CheckResult) for result in told["results"])):
        for name, default in _later(kind).items():
            if record[name] == default:
                del record[name]
    return _ENCODER.encode(told)


def verdict_from_json(data: bytes) -> Verdict:
    """Return the verdict. Raises TamperedError when the bytes are no verdict."""
    return _decode(data, Verdict, "verdict.json")


def signature_to_json(signature: Signature) -> bytes:
    """Return a model's signature as JSON; without `classes` where there are none, as before there were any."""
    told = msgspec.to_builtins(signature)
    if not signature.classes:
        del told["classes"]
    return _ENCODER.encode(told)


def signature_from_json(data: bytes) -> Signature:
    """Return a model's signature. Raises TamperedError when the bytes are none."""
    return _decode(data, Signature, "signature.json")


def profile_to_json(profile: Profile) -> bytes:
    """Return a reference profile as JSON. As in a verdict, fields that came later are left out at their defaults."""
    told = msgspec.to_builtins(profile)
    for column in told["columns"]:
        for name, default in _later(ColumnProfile).items():
            if column[name] == default:
                del column[name]
    return _ENCODER.encode(told)


def profile_from_json(data: bytes) -> Profile:
    """Return a reference profile. Raises TamperedError when the bytes are none."""
    return _decode(data, Profile, "profile.json")


def golden_to_json(golden: Golden) -> bytes:
    """Return golden rows and scores as JSON."""
    return _ENCODER.encode(golden)


def golden_from_json(data: bytes) -> Golden:
    """Return golden rows and scores. Raises TamperedError when the bytes are none or lengths differ."""
    golden = _decode(data, Golden, "golden.json")
    if any(len(values) != len(golden.scores) for values in golden.rows.values()):
        raise _foreign("golden.json", "its columns and scores differ in length")
    return golden


@cache
def _later(kind: type) -> dict[str, Any]:
    """Return the fields that a record did not have at first, with their defaults as they stand in JSON."""
    return {
        field.name: msgspec.to_builtins(field.default)
        for field in fields(kind)
        if field.default is not MISSING and field.name not in ("seconds", "signature")
    }


def _decode(data: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:  # ValidationError is a DecodeError
        raise _foreign(name, str(error)[:300]) from error


def _foreign(name: str, why: str) -> TamperedError:
    return TamperedError(
        what=f"`{name}` is not a file that detent wrote",
        why=why,
        fix="take the bundle from the run that made it; don't edit files inside a bundle",
        where=Place(file=name),
    )
