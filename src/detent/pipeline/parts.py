"""What a step's result was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that decides a step's result; plain JSON, so that it can be stored and compared later."""

    function: str  # "pipeline.py:train"
    code: Mapping[str, str]  # component -> digest of its normalised text
    source: str  # digest of the blob with these texts; for showing what changed, no part of the key
    environment: Mapping[str, str]
    policy: Mapping[str, str]  # what it declares to read from outside, see `policy`
    params: Mapping[str, tuple[str, str]]  # parameter -> (digest, value as shown)
    inputs: Mapping[str, tuple[str, str]]  # parameter -> (digest, where it comes from)
