"""The body of a predict answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class Line(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """What the caller is told about one row."""

    id: str  # prediction id: send it back with the truth to /feedback
    version: int  # version that answered, or that failed when nobody could answer
    score: float | None  # null: nobody could answer this row
    fallback: bool = False  # True: the chosen version failed and `version` stepped in
    error: str = ""  # why there is no score
    label: str = ""  # of several classes the most probable one, whose probability is `score`
    probabilities: Mapping[str, float] | None = None  # of all classes


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The whole answer, rows in the order of the request."""

    model: str
    predictions: Sequence[Line]


ENCODE = msgspec.json.Encoder().encode
"""Answer -> bytes."""

DECODE = msgspec.json.Decoder(Answer).decode
"""Bytes -> answer: what a caller in Python does, and what the replay of golden rows does."""
