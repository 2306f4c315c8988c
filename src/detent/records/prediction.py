"""One answered prediction, and the label that arrives later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A row of the prediction log, written before the answer leaves."""

    id: str
    time: str  # ISO time of the answer
    endpoint: str
    route_seq: int
    version: int  # the version chosen by the route
    served_by: int | None  # the version whose score the caller got (the fallback, after a failure); None: nobody
    arm: str  # "live" or "shadow"
    propensity: float  # chance that this version was chosen for this row
    entity: str
    inputs: Mapping[str, Any]
    score: float | None  # None: the chosen version failed
    status: str  # ok | error
    error: str  # empty when ok
    service_seconds: float  # time inside the model
    scores: tuple[float, ...] = ()  # of several classes: a probability for each, in the order of the version's
    request: str = ""  # what the caller calls its request: its x-request-id, or the trace id of its traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The truth about a prediction."""

    prediction_id: str
    value: float
    at: str  # ISO time at which it was known; of two labels for one prediction that with the later time counts
    arrived: str = ""  # ISO time at which it reached us; empty: at once
    source: str = ""  # who told it: "feedback", a file, a query, a person


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCount:
    """Answers of one version since a moment, as rollout decisions need them."""

    version: int
    arm: str  # live | shadow
    requests: int
    errors: int
