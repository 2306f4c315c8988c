"""What a model takes and returns."""

from __future__ import annotations

from dataclasses import dataclass

NUMBER, INTEGER, STRING, BOOLEAN = "number", "integer", "string", "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input column."""

    name: str
    kind: str  # number | integer | string | boolean
    nullable: bool  # null and a missing key mean the same; refused when False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Inputs in order, and the meaning of the one output."""

    inputs: tuple[Field, ...]
    output: str  # "probability" (binary: of class 1, in 0..1) or "value" (regression)
