"""A function whose body wires steps -> a graph -> a plan -> steps done, each at most once for the same inputs.

In: the project's code, digests of input frames, parameters. Out: a run, its artifacts, and why each step ran or not.
It knows nothing about what steps compute: a model is a folder to it, a frame is a Parquet blob.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Names load on first use, so that a project's `from detent import step` does not load the machinery that runs steps.
_WHERE = {
    "Artifact": "detent.pipeline.artifacts",
    "Candidate": "detent.pipeline.authoring",
    "InputFrame": "detent.pipeline.artifacts",
    "LocalExecutor": "detent.pipeline.executors.local",
    "RunResult": "detent.pipeline.run",
    "Workspace": "detent.pipeline.workspace",
    "pipeline": "detent.pipeline.authoring",
    "step": "detent.pipeline.authoring",
}
__all__ = ["Artifact", "Candidate", "InputFrame", "LocalExecutor", "RunResult", "Workspace", "pipeline", "step"]

if TYPE_CHECKING:
    from detent.pipeline.artifacts import Artifact, InputFrame
    from detent.pipeline.authoring import Candidate, pipeline, step
    from detent.pipeline.executors.local import LocalExecutor
    from detent.pipeline.run import RunResult
    from detent.pipeline.workspace import Workspace


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detent.pipeline' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
