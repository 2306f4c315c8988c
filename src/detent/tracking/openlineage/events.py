"""Executions -> OpenLineage RunEvents. Pure: the same execution gives the same events with the same ids, always.

Names follow OpenLineage's naming rules: jobs and datasets of a project live in the namespace `detent://<project>`,
a job is `pipeline` or `pipeline.step`, a dataset has its name in `detent.yaml`, a step's output is
`pipeline.step.output`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from detent.records.lineage import DatasetUse, Execution
from detent.tracking.openlineage import facets

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
START, COMPLETE, FAIL, ABORT = "START", "COMPLETE", "FAIL", "ABORT"
_ENDS = {"succeeded": COMPLETE, "failed": FAIL, "aborted": ABORT}
_OURS = UUID("5c9e1f1e-3a0c-5a6e-9d55-2f5d8c1b7a10")  # fixed for ever: every id is derived from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose executions these are."""

    project: str
    state: str  # names the state folder: two of one project both have a `run-0001`

    @property
    def namespace(self) -> str:
        """Namespace of the project's jobs and datasets."""
        return f"detent://{self.project}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event on its way. A repeated one has the same id and the same body."""

    id: str  # UUID
    body: dict[str, Any]


def run_id(scope: Scope, execution: str) -> str:
    """Return the UUID that stands for an execution, the same whenever it is asked for."""
    return str(uuid5(_OURS, f"{scope.project}\n{scope.state}\n{execution}"))


def events(execution: Execution, scope: Scope) -> list[Message]:
    """Return the START event of an execution, and the event of its end when it has ended."""
    messages = [_message(execution, scope, START, execution.started_at)]
    if execution.ended_at:
        messages.append(_message(execution, scope, _ENDS[execution.state], execution.ended_at))
    return messages


def _message(execution: Execution, scope: Scope, kind: str, at: str) -> Message:
    run = run_id(scope, execution.id)
    body = {
        "eventType": kind,
        "eventTime": at,
        "producer": facets.PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run, "facets": _run_facets(execution, scope, kind)},
        "job": {"namespace": scope.namespace, "name": execution.job, "facets": _job_facets(execution)},
        "inputs": [_dataset(use, scope) | _present(inputFacets=facets.input_facets(use)) for use in execution.inputs],
        "outputs": [
            _dataset(use, scope) | _present(outputFacets=facets.output_facets(use))
            for use in (execution.outputs if kind != START else ())
        ],
    }
    return Message(id=str(uuid5(UUID(run), kind)), body=body)


def _run_facets(execution: Execution, scope: Scope, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"processing_engine": facets.engine()}
    if execution.parent is not None:
        owner, job = execution.parent
        found["parent"] = facets.parent(run_id(scope, owner), scope.namespace, job)
    if kind == START:
        return found
    if execution.cache is not None:
        found["detent_cache"] = facets.cache(execution.cache)
    if execution.variables:
        found["environmentVariables"] = facets.variables(execution.variables)
    if execution.error:
        found["errorMessage"] = facets.error_message(execution.error)
    return found


def _job_facets(execution: Execution) -> dict[str, Any]:
    found = {"jobType": facets.job_type(execution.kind)}
    if execution.checkout is not None:
        found["sourceCodeLocation"] = facets.code_location(execution.checkout, execution.file)
    return found


def _dataset(use: DatasetUse, scope: Scope) -> dict[str, Any]:
    return {"namespace": scope.namespace, "name": use.name, "facets": facets.dataset_facets(use)}


def _present(**parts: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}
