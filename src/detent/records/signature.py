"""What a model takes and returns."""

from __future__ import annotations

from dataclasses import dataclass

NUMBER, INTEGER, STRING, BOOLEAN = "number", "integer", "string", "boolean"
PROBABILITY, VALUE, PROBABILITIES = "probability", "value", "probabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One input column."""

    name: str
    kind: str  # number | integer | string | boolean
    nullable: bool  # null and a missing key mean the same; refused when False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Inputs in order, and the meaning of the output."""

    inputs: tuple[Field, ...]
    output: str  # "probability" (binary: of class 1), "value" (regression), "probabilities" (one per class, in order)
    classes: tuple[str, ...] = ()  # names of the classes, sorted; () unless the output is "probabilities"
