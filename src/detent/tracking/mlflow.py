"""Our runs, versions and aliases as MLflow shows them. The store is a mirror: it can be deleted and written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detent.tracking.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """One of our versions, as `reconcile` needs it."""

    number: int
    folder: Path  # its bundle
    run: str  # our run id


class MlflowTracker:
    """MLflow in this process, on SQLite. Nothing is opened, and MLflow is not imported, before the first call.

    One tracker per process and folder; a call takes some 30 ms, the very first one seconds (it makes MLflow's tables).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def client(self) -> Client:
        """MLflow behind the few calls that this class makes."""
        # Loaded like a plug-in: importing MLflow takes longer than many a command that never gets here.
        return import_module("detent.tracking.client").Client(self._folder)

    def log_run(
        self,
        run_id: str,
        *,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Path | None,
        now: datetime,
        started_at: datetime | None = None,
    ) -> str:
        """Log a finished run and return MLflow's id of it. `artifacts` is a bundle folder; it is copied.

        Logging the same run again gives the same id and completes what a crash left out.

        Raises:
            StoreError: MLflow refused, or its database can't be written.
        """
        mlflow_run = self.client.open_run(run_id, started_at or now)
        if not self.client.is_finished(mlflow_run):
            self.client.fill_run(mlflow_run, params=params, metrics=metrics, tags=tags, at=now)
            if artifacts is not None:
                self.client.copy_artifacts(mlflow_run, artifacts)
            self.client.finish_run(mlflow_run, now)
        return mlflow_run

    def mirror_version(self, model: str, number: int, folder: Path, run: str) -> None:
        """Give MLflow a version of the same number. Doing so again changes nothing.

        MLflow hands out numbers in order. Numbers below that are missing after a crash become marked placeholders
        that a later `mirror_version` or `reconcile` fills.

        Raises:
            StoreError: MLflow's version of this number is another bundle.
        """
        self.client.ensure_versions(model, number)
        self.client.fill_version(model, number, folder, run)

    def mirror_alias(self, model: str, alias: str, number: int | None) -> None:
        """Point MLflow's alias where ours points; None takes it away."""
        if number is None:
            self.client.drop_alias(model, alias)
        else:
            self.client.ensure_versions(model, number)
            self.client.set_alias(model, alias, number)

    def reconcile_aliases(self, model: str, aliases: Mapping[str, int]) -> list[str]:
        """Make MLflow's aliases equal to ours and return the names of those that differed."""
        present = self.client.aliases(model)
        differing = sorted(name for name in {*present, *aliases} if present.get(name) != aliases.get(name))
        for name in differing:
            self.mirror_alias(model, name, aliases.get(name))
        return differing

    def reconcile(self, model: str, versions: Sequence[Mirrored], aliases: Mapping[str, int]) -> list[str]:
        """Bring versions and aliases in line with ours and return what was mended: version numbers and alias names."""
        mended = []
        for version in sorted(versions, key=lambda version: version.number):
            if not self.client.has_version(model, version.number):
                self.mirror_version(model, version.number, version.folder, version.run)
                mended.append(str(version.number))
        return mended + self.reconcile_aliases(model, aliases)
