"""An executor by the name that users give it."""

from __future__ import annotations

import os
from importlib import import_module

from detent import plugins
from detent.errors import ProjectError, did_you_mean
from detent.pipeline.executors.local import LocalExecutor
from detent.pipeline.executors.protocol import Executor

LOCAL, RAY = "local", "ray"


def open_executor(name: str, *, workers: int = 0) -> Executor:
    """Return the executor: `local`, `ray` (a cluster on this machine) or `ray://host:port` (one that runs already).

    `workers` counts the processes of the local one; 0 means one per core.

    Raises:
        ProjectError: there is no such executor.
        MissingExtraError: Ray is not installed.
    """
    if name == LOCAL:
        return LocalExecutor(workers or len(os.sched_getaffinity(0)))
    if name == RAY or name.startswith(f"{RAY}://"):
        try:
            module = import_module("detent.pipeline.executors.ray")
        except ModuleNotFoundError as error:
            raise plugins.missing(error.name or "", wanted_by="executor `ray`") from error
        return module.RayExecutor(None if name == RAY else name)
    raise ProjectError(
        what=f"there is no executor `{name}`",
        why="steps run on this machine or on a Ray cluster",
        fix=did_you_mean(name, [LOCAL, RAY]),
    )
