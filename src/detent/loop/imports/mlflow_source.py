"""Models that lie in an MLflow server. Loaded late: importing MLflow takes longer than an import of a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gaierror
from urllib.parse import urlsplit

import mlflow
from mlflow.artifacts import download_artifacts
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException

from detent.errors import RefusedError

logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it tells people about the tables of its database

RETRIES, SILENT = 2, 30  # MLflow itself tries a server that is away for four minutes, and one that is silent for 16
_FIX = (
    "check the name: models:/name/3, models:/name@alias or runs:/ID/path; or name another server with --tracking or "
    "MLFLOW_TRACKING_URI, or give the model's folder itself"
)


def download(uri: str, target: Path, *, tracking: str | None) -> Path:
    """Copy `models:/name/3` or `runs:/id/path` into a folder and return where it lies.

    Raises:
        RefusedError: MLflow has no such model, or can't be reached; or no server is named and none lies in this folder.
    """
    if tracking is not None:
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(tracking)  # else MLFLOW_REGISTRY_URI would name another one for `models:/`
    server = mlflow.get_registry_uri() if uri.startswith("models:/") else mlflow.get_tracking_uri()
    _require_there(uri, server)
    try:
        with _soon_given_up():
            return Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))
    except (MlflowException, OSError) as error:
        fault = _unreachable(error)
        why = f"{server} can't be reached: {fault}" if fault else f"{server} says: {str(error)[:300]}"
        raise RefusedError(what=f"`{uri}` can't be had from MLflow", why=why, fix=_FIX) from error


@contextmanager
def _soon_given_up() -> Iterator[None]:
    """Wait for a server as long as a person would who types a command; what the caller's environment says counts."""
    unset = [one for one in (MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT) if not one.is_set()]
    try:
        for one in unset:
            one.set(RETRIES if one is MLFLOW_HTTP_REQUEST_MAX_RETRIES else SILENT)
        yield
    finally:
        for one in unset:
            one.unset()


def _unreachable(error: BaseException) -> str:
    """Return what the system says about a connection that was not made; "" when there was one.

    MLflow's own words are those of three libraries, one inside the other; the reason stands at their end.
    """
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ConnectionError | TimeoutError | gaierror):
            return at.strerror or str(at)
        at = at.__cause__ or at.__context__
    return ""


def _require_there(uri: str, server: str) -> None:
    """Refuse a database that is not there: MLflow would make an empty one, where nobody named any in this folder."""
    path = urlsplit(server).path.removeprefix("/") if server.startswith("sqlite:///") else ""
    if path and not Path(path).exists():
        raise RefusedError(
            what=f"`{uri}` can't be had from MLflow",
            why=f"there is no database {path}",
            fix="name the server with --tracking or MLFLOW_TRACKING_URI, or give the model's folder itself",
        )
