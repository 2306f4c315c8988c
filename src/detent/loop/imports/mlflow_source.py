"""Models that lie in an MLflow server. Loaded late: importing MLflow takes longer than an import of a file."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from detent.errors import RefusedError

logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it tells people about the tables of its database


def download(uri: str, target: Path, *, tracking: str | None) -> Path:
    """Copy `models:/name/3` or `runs:/id/path` into a folder and return where it lies.

    Raises:
        RefusedError: MLflow has no such model, or can't be reached; or no server is named and none lies in this folder.
    """
    if tracking is not None:
        mlflow.set_tracking_uri(tracking)
    _require_there(uri, mlflow.get_tracking_uri())
    try:
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))
    except (MlflowException, OSError) as error:
        raise RefusedError(
            what=f"`{uri}` can't be had from MLflow",
            why=f"{mlflow.get_tracking_uri()} says: {str(error)[:300]}",
            fix="name another server with --tracking or MLFLOW_TRACKING_URI, or give the model's folder itself",
        ) from error


def _require_there(uri: str, server: str) -> None:
    """Refuse a database that is not there: MLflow would make an empty one, where nobody named any in this folder."""
    path = urlsplit(server).path.removeprefix("/") if server.startswith("sqlite:///") else ""
    if path and not Path(path).exists():
        raise RefusedError(
            what=f"`{uri}` can't be had from MLflow",
            why=f"there is no database {path}",
            fix="name the server with --tracking or MLFLOW_TRACKING_URI, or give the model's folder itself",
        )
