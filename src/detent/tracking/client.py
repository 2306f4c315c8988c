"""The MLflow calls behind the tracker. This is the only file that imports MLflow."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

# MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from detent.bundle.files import MANIFEST_NAME, manifest_digest
from detent.errors import Place, StoreError

EXPERIMENT = "detent"
RUN, DIGEST, MISSING = "detent.run", "detent.digest", "detent.missing"  # tags of ours
_MAX_PARAM, _MAX_TAG, _MAX_KEY = 6_000, 8_000, 250  # characters that MLflow takes

for _name in ("mlflow", "alembic"):  # 50 lines about table migrations are no news to a user
    logging.getLogger(_name).setLevel(logging.WARNING)


class Client:
    """MLflow on `mlflow.db` and `mlartifacts/` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._place = Place(file=str(folder / "mlflow.db"))
        self._artifacts = folder / "mlartifacts"
        self._artifacts.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
        with self._explained():
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self._experiment = self._open_experiment()
        self._models: set[str] = set()

    def open_run(self, run_id: str, started_at: datetime) -> str:
        """Return MLflow's id of our run; it is made when it is not there."""
        with self._explained():
            found = self._client.search_runs([self._experiment], f"tags.`{RUN}` = '{_quoted(run_id)}'", max_results=1)
            if found:
                return found[0].info.run_id
            tags = {RUN: run_id, "mlflow.user": "detent", "mlflow.source.name": "detent"}
            made = self._client.create_run(
                self._experiment, start_time=_milliseconds(started_at), tags=tags, run_name=run_id
            )
            return made.info.run_id

    def is_finished(self, mlflow_run: str) -> bool:
        """True when the run was logged to its end."""
        with self._explained():
            return self._client.get_run(mlflow_run).info.status == "FINISHED"

    def fill_run(
        self,
        mlflow_run: str,
        *,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        at: datetime,
    ) -> None:
        """Log parameters, metrics and tags in one go. Texts that MLflow finds too long are cut."""
        when = _milliseconds(at)
        with self._explained():
            self._client.log_batch(
                mlflow_run,
                metrics=[Metric(name[:_MAX_KEY], float(value), when, 0) for name, value in metrics.items()],
                params=[Param(name[:_MAX_KEY], str(value)[:_MAX_PARAM]) for name, value in params.items()],
                tags=[RunTag(name[:_MAX_KEY], str(value)[:_MAX_TAG]) for name, value in tags.items()],
            )

    def copy_artifacts(self, mlflow_run: str, folder: Path) -> None:
        """Copy a bundle into the run's artifacts, under `bundle`."""
        with self._explained():
            self._client.log_artifacts(mlflow_run, str(folder), "bundle")

    def finish_run(self, mlflow_run: str, at: datetime) -> None:
        """Mark the run as finished."""
        with self._explained():
            self._client.set_terminated(mlflow_run, "FINISHED", _milliseconds(at))

    def ensure_versions(self, model: str, number: int) -> None:
        """Make MLflow's numbers reach `number`; new ones are placeholders until `fill_version`."""
        with self._explained():
            self._ensure_model(model)
            newest = self._client.search_model_versions(
                f"name = '{_quoted(model)}'", max_results=1, order_by=["version_number DESC"]
            )
            last = int(newest[0].version) if newest else 0
            for missing in range(last + 1, number + 1):
                source = self._source(model, missing)
                self._client.create_model_version(model, source.as_uri(), tags={MISSING: "true"}, await_creation_for=0)

    def has_version(self, model: str, number: int) -> bool:
        """True when MLflow has the version and it is no placeholder."""
        try:
            return MISSING not in self._client.get_model_version(model, str(number)).tags
        except MlflowException:
            return False

    def fill_version(self, model: str, number: int, folder: Path, run: str) -> None:
        """Put a bundle behind a version.

        The bundle is copied: MLflow writes files of its own beside a model that it loads.

        Raises:
            StoreError: the version holds another bundle already.
        """
        digest = manifest_digest(folder) if (folder / MANIFEST_NAME).is_file() else ""
        with self._explained():
            tags = self._client.get_model_version(model, str(number)).tags
            if MISSING not in tags:
                if tags.get(DIGEST) != digest:
                    raise self._other_bundle(model, number)
                return
            _copy_folder(folder, self._source(model, number))
            self._client.set_model_version_tag(model, str(number), DIGEST, digest)
            self._client.set_model_version_tag(model, str(number), RUN, run)
            self._client.delete_model_version_tag(model, str(number), MISSING)  # last: it says that all is there

    def aliases(self, model: str) -> dict[str, int]:
        """Return MLflow's aliases of a model; an unknown model has none."""
        with self._explained():
            found = self._client.search_registered_models(f"name = '{_quoted(model)}'", max_results=1)
        return {name: int(number) for name, number in found[0].aliases.items()} if found else {}

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Point an alias to a version."""
        with self._explained():
            self._client.set_registered_model_alias(model, alias, str(number))

    def drop_alias(self, model: str, alias: str) -> None:
        """Take an alias away; nothing happens when it is not there."""
        if alias in self.aliases(model):
            with self._explained():
                self._client.delete_registered_model_alias(model, alias)

    def _open_experiment(self) -> str:
        known = self._client.get_experiment_by_name(EXPERIMENT)
        if known is not None:
            return known.experiment_id
        return self._client.create_experiment(
            EXPERIMENT, artifact_location=(self._artifacts / "runs").resolve().as_uri()
        )

    def _ensure_model(self, model: str) -> None:
        if model in self._models:
            return
        if not self._client.search_registered_models(f"name = '{_quoted(model)}'", max_results=1):
            self._client.create_registered_model(model)
        self._models.add(model)

    def _source(self, model: str, number: int) -> Path:
        return (self._artifacts / "models" / model / str(number)).resolve()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise StoreError(
                what="MLflow could not be written",
                why=str(error)[:300],
                fix="nothing is lost: move mlflow.db and mlartifacts away; they are written again from the registry",
                where=self._place,
            ) from error

    def _other_bundle(self, model: str, number: int) -> StoreError:
        return StoreError(
            what=f"MLflow's version {number} of `{model}` is another bundle",
            why="the MLflow store belongs to another registry, or its version was edited",
            fix="move mlflow.db and mlartifacts away; they are written again from the registry",
            where=self._place,
        )


def _copy_folder(folder: Path, target: Path) -> None:
    """Copy aside, then rename: the target is whole or absent."""
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".copy."))
    shutil.copytree(folder, temporary, dirs_exist_ok=True)
    temporary.rename(target)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
