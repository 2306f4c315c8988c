"""What happened, where people look for it: runs, versions and aliases mirrored into MLflow.

In: facts about runs and versions, and bundle folders. Out: an MLflow store (`mlflow.db`, `mlartifacts/`) for its UI.
This room decides nothing and is asked nothing: ledger and registry hold the truth, and `reconcile` writes it again.
"""

from detent.tracking.mlflow import Mirrored, MlflowTracker

__all__ = ["Mirrored", "MlflowTracker"]
