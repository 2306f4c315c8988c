"""Models that lie in an MLflow server. Loaded late: importing MLflow takes longer than an import of a file."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from detent.errors import RefusedError


def download(uri: str, target: Path, *, tracking: str | None) -> Path:
    """Copy `models:/name/3` or `runs:/id/path` into a folder and return where it lies.

    Raises:
        RefusedError: MLflow has no such model, or can't be reached.
    """
    if tracking is not None:
        mlflow.set_tracking_uri(tracking)
    try:
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))
    except (MlflowException, OSError) as error:
        raise RefusedError(
            what=f"`{uri}` can't be had from MLflow",
            why=f"{mlflow.get_tracking_uri()} says: {str(error)[:300]}",
            fix="name another server with --tracking or MLFLOW_TRACKING_URI, or give the model's folder itself",
        ) from error
