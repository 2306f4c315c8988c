"""Outcomes as JSON: what `python -m detent.exec` prints and an executor on another machine reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from detent import errors
from detent.errors import DetentError, StepError
from detent.pipeline.artifacts import artifact_from_json, artifact_to_json
from detent.pipeline.executors.protocol import Done, Outcome, Raised
from detent.records.run import StepRun

_KINDS = {kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DetentError)}


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain JSON; only results and errors are ever told by the process that ran the step."""
    if isinstance(outcome, Done):
        outputs = {name: artifact_to_json(artifact) for name, artifact in outcome.outputs}
        return {"done": dataclasses.asdict(outcome.step_run), "outputs": outputs}
    assert isinstance(outcome, Raised)
    plain = {name: getattr(outcome, name) for name in ("kind", "message", "transient", "file", "line")}
    error = outcome.error
    told = None if error is None else {"code": error.code, "what": error.what, "why": error.why, "fix": error.fix}
    return {"raised": {**plain, "error": told}}


def outcome_from_json(plain: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `outcome_to_json` wrote.

    Raises:
        KeyError, TypeError: it is none.
    """
    if "done" in plain:
        lists = {name: tuple(map(tuple, plain["done"][name])) for name in ("outputs", "inputs")}
        row = StepRun(**{**plain["done"], **lists, "warnings": tuple(plain["done"]["warnings"])})
        return Done(step_run=row, outputs=tuple((n, artifact_from_json(a)) for n, a in plain["outputs"].items()))
    raised = plain["raised"]
    return Raised(**{**raised, "error": _error(raised["error"])})


def _error(told: Mapping[str, str] | None) -> DetentError | None:
    if told is None:
        return None
    kind = _KINDS.get(told["code"], StepError)
    return kind(what=told["what"], why=told["why"], fix=told["fix"])
