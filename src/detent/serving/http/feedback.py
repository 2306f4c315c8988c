"""Labels that come back: body -> checked labels -> whoever keeps them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from detent.errors import BusyError, StoreError, did_you_mean
from detent.records.prediction import Label
from detent.serving.counts.counters import Counters
from detent.serving.identifiers import PredictionIds, of_classes, of_probability
from detent.serving.problems import FieldError, Problem, unavailable
from detent.serving.rows.validate import MAX_SHOWN, decode_json, invalid
from detent.store.classes import class_number
from detent.store.clock import iso, parse

MAX_LABELS = 1_000


class LabelTotals(Protocol):
    """What became of a batch of labels."""

    @property
    def new(self) -> int:
        """Labels of predictions that had none."""
        ...

    @property
    def duplicate(self) -> int:
        """Labels that were known with this very value."""
        ...

    @property
    def corrected(self) -> int:
        """Labels that replaced another value."""
        ...

    @property
    def stale(self) -> int:
        """Labels with another value that is older than the known one."""
        ...


RecordLabels = Callable[[Sequence[Label]], LabelTotals]
"""Keeps labels in one transaction: all of them or, on BusyError and StoreError, none. Called from one thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a body holds: each label stands for itself."""

    labels: list[Label]
    refused: list[FieldError]  # what is wrong with the others, each with its place
    unknown: int  # of these, ids that were never given out here


def read_labels(body: bytes, ids: PredictionIds, now: datetime, classes: Sequence[str] = ()) -> Sent:
    """Return the labels of a body `{"labels": [{"prediction_id": "...", "value": 1, "at": "..."}, ...]}`.

    `at` says since when the truth is known (ISO 8601 with a zone); without it that is `now`. A wrong label keeps no
    other one from being taken. The truth about a prediction of several classes is one of `classes`, by its name.

    Raises:
        Problem: 400 for what is not JSON, 422 for a body that is no list of labels; and when no label of it is good,
            422 for fields that do not fit, 404 when no id was given out here.
    """
    decoded = decode_json(body)
    if not isinstance(decoded, dict):
        raise _unfit([FieldError(field="", message='send {"labels": [{"prediction_id": "...", "value": 1}]}')])
    errors = _unknown_keys(decoded, "", ("labels",))
    entries = decoded.get("labels")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_LABELS:
        count = f"{len(entries):,} labels" if isinstance(entries, list) else "no list of labels"
        message = f"{count} in the request; send 1 to {MAX_LABELS:,}"
        raise _unfit([*errors, FieldError(field="labels", message=message)])
    labels: list[Label] = []
    refused: list[FieldError] = []
    unknown: list[FieldError] = []
    for number, entry in enumerate(entries):
        label, wrong = _label(entry, f"labels[{number}]", ids, now, classes)
        if label is None:
            refused += wrong
        elif ids.genuine(label.prediction_id):
            labels.append(label)
        else:
            message = f"no prediction has the id {label.prediction_id[:60]!r}"
            unknown.append(FieldError(field=f"labels[{number}].prediction_id", message=message))
    if errors or (refused and not labels):
        raise _unfit([*errors, *refused])
    if unknown and not labels:
        raise _never_given_out(unknown)
    return Sent(labels=labels, refused=sorted([*refused, *unknown], key=_place), unknown=len(unknown))


def keep(record: RecordLabels, labels: Sequence[Label]) -> LabelTotals:
    """Hand the labels over.

    Raises:
        Problem: 503 when they can't be stored now; none of them is stored then, and sending them again is safe.
    """
    try:
        return record(labels)
    except (BusyError, StoreError) as error:
        raise unavailable(
            "labels-not-stored",
            what="the labels could not be stored; none of them was",
            why=error.what,  # no more: where the database is, is no business of callers
            fix="send the same request again: labels that are known already are only counted",
        ) from error


def receipt(totals: LabelTotals, sent: Sent, counters: Counters) -> bytes:
    """Count the labels and return the body of the answer: how many were taken as what, and which were refused."""
    counters.add("labels_unknown", sent.unknown)
    counters.add("labels_accepted", totals.new)
    counters.add("labels_duplicate", totals.duplicate)
    counters.add("labels_corrected", totals.corrected)
    refused = [{"field": error.field, "message": error.message} for error in sent.refused]
    counts = {"accepted": totals.new, "duplicate": totals.duplicate, "corrected": totals.corrected}
    return msgspec.json.encode({**counts, "stale": totals.stale, "refused": refused})


def _label(
    entry: Any, spot: str, ids: PredictionIds, now: datetime, classes: Sequence[str]
) -> tuple[Label | None, list[FieldError]]:
    if not isinstance(entry, dict):
        return None, [FieldError(field=spot, message='a label is {"prediction_id": "...", "value": 1}')]
    errors = _unknown_keys(entry, f"{spot}.", ("prediction_id", "value", "at"))
    id_, value = entry.get("prediction_id"), entry.get("value")
    if not isinstance(id_, str) or not id_:
        message = "missing; send the `id` of the answer" if id_ is None else "it must be a string"
        errors.append(FieldError(field=f"{spot}.prediction_id", message=message))
        id_ = ""
    named = bool(id_) and ids.genuine(id_) and of_classes(id_)
    number = _class(value, classes) if named else _finite(value)
    if number is None and named:
        message = f"it must be one of the classes {', '.join(classes)}"
        errors.append(FieldError(field=f"{spot}.value", message=message))
    elif number is None:
        message = (
            "missing; it must be a number, true or false"
            if value is None
            else "it must be a finite number, true or false"
        )
        errors.append(FieldError(field=f"{spot}.value", message=message))
    elif number not in (0.0, 1.0) and id_ and not named and ids.genuine(id_) and of_probability(id_):
        errors.append(FieldError(field=f"{spot}.value", message=f"{value} is neither 0 nor 1, and the model is binary"))
    at, wrong = _known_at(entry.get("at"), now)
    if wrong:
        errors.append(FieldError(field=f"{spot}.at", message=wrong))
    if errors or number is None:
        return None, errors
    return Label(prediction_id=id_, value=number, at=iso(at), arrived=iso(now), source="feedback"), []


def _class(value: Any, classes: Sequence[str]) -> float | None:
    """Return the number that stands for a class; None for what is the name of none. A whole number may be a name."""
    name = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return class_number(name) if name in classes else None


def _known_at(value: Any, now: datetime) -> tuple[datetime, str]:
    """Return since when a label is known, and what is wrong with what the caller says of it."""
    if value is None:
        return now, ""
    try:
        given = datetime.fromisoformat(value)
        moment = parse(value)
    except (TypeError, ValueError, OverflowError):
        return now, "it must be an ISO 8601 time, such as 2026-01-05T10:00:00+01:00"
    if given.tzinfo is None:
        return now, "a time without a zone is no moment; add one, such as Z or +01:00"
    return (moment, "") if moment <= now else (now, "it lies in the future of this server's clock")


def _unfit(errors: Sequence[FieldError]) -> Problem:
    return invalid(
        errors,
        "the labels can't be taken as they were sent",
        "; no label of this request was stored, so send all again",
    )


def _place(error: FieldError) -> int:
    return int(error.field.partition("[")[2].partition("]")[0])


def _finite(value: Any) -> float | None:
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _unknown_keys(entry: dict[Any, Any], prefix: str, known: tuple[str, ...]) -> list[FieldError]:
    return [
        FieldError(field=f"{prefix}{key}", message=f"unknown field; {did_you_mean(str(key), known)}")
        for key in entry
        if key not in known
    ]


def _never_given_out(unknown: list[FieldError]) -> Problem:
    return Problem(
        404,
        "unknown-prediction",
        what="a label names a prediction that was never given out here",
        why=f"{unknown[0].field}: {unknown[0].message}"
        + (f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""),
        fix="send the `id` of an answer of this installation; no label of this request was stored",
        errors=tuple(unknown[:MAX_SHOWN]),
    )
