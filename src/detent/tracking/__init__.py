"""What happened, where people look for it: runs, versions and aliases in MLflow, lineage at OpenLineage servers.

In: facts about runs and versions, and bundle folders. Out: an MLflow store (`mlflow.db`, `mlartifacts/`) for its UI,
and OpenLineage events. This room decides nothing and is asked nothing: ledger and registry hold the truth.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Names load on first use: MLflow takes a second to import, and lineage does without it.
_WHERE = {"Mirrored": "detent.tracking.mlflow", "MlflowTracker": "detent.tracking.mlflow"}
__all__ = ["Mirrored", "MlflowTracker"]

if TYPE_CHECKING:
    from detent.tracking.mlflow import Mirrored, MlflowTracker


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'detent.tracking' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
