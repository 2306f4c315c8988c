"""A function whose body wires steps -> a graph -> a plan -> steps done, each at most once for the same inputs.

In: the project's code, digests of input frames, parameters. Out: a run, its artifacts, and why each step ran or not.
It knows nothing about what steps compute: a model is a folder to it, a frame is a Parquet blob.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Names load on first use, so that a project's `from detent.pipeline import step` does not load what runs steps.
_WHERE = {
    "Artifact": "artifacts", "Candidate": "authoring", "InputFrame": "artifacts", "LocalExecutor": "executors.local",
    "Pickled": "codecs.annotations", "RunResult": "run", "Workspace": "workspace", "checkpoint": "context",
    "pipeline": "authoring", "secret": "context", "step": "authoring", "when": "authoring",
}  # fmt: skip

if TYPE_CHECKING:
    from detent.pipeline.artifacts import Artifact as Artifact
    from detent.pipeline.artifacts import InputFrame as InputFrame
    from detent.pipeline.authoring import Candidate as Candidate
    from detent.pipeline.authoring import pipeline as pipeline
    from detent.pipeline.authoring import step as step
    from detent.pipeline.authoring import when as when
    from detent.pipeline.codecs.annotations import Pickled as Pickled
    from detent.pipeline.context import checkpoint as checkpoint
    from detent.pipeline.context import secret as secret
    from detent.pipeline.executors.local import LocalExecutor as LocalExecutor
    from detent.pipeline.run import RunResult as RunResult
    from detent.pipeline.workspace import Workspace as Workspace


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detent.pipeline' has no attribute {name!r}")
    return getattr(import_module(f"detent.pipeline.{_WHERE[name]}"), name)
