"""Bring a model from elsewhere: make it a bundle of this project, and put it before the same gate as any candidate."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path

import polars as pl

from detent import plugins
from detent.bundle.facts import ManifestFacts
from detent.bundle.files import MAX_FILE_BYTES
from detent.bundle.foreign import Foreign, recognise
from detent.bundle.pack import pack
from detent.bundle.protocol import PredictionError
from detent.bundle.publish import fetch, publish
from detent.bundle.trust import folder_digest, write_trust
from detent.errors import DetentError, Place, RefusedError
from detent.loop import places
from detent.loop.happened import IMPORTED
from detent.loop.imports.describe_model import close, describe
from detent.loop.imports.match_inputs import match_inputs
from detent.loop.runs.candidate import ELSEWHERE, Candidate, describe_rows, environment_digest
from detent.loop.runs.datasets import Datasets, feature_columns, ingest_all
from detent.loop.runs.mirror import mirror_version
from detent.loop.train import candidate_fact, submit
from detent.loop.workspace import Workspace
from detent.records.check import Verdict
from detent.records.event import Event, Fact
from detent.records.version import ModelVersion
from detent.store import ledger
from detent.store.clock import iso
from detent.store.lock import awaited_lock

_TRUSTED = ("skops", "sandbox", "remote")  # predictors that read the policy
_ANSWERS = (
    "export it so that it takes any number of rows like those of this project and gives one score for each of them, "
    "or with several classes one probability of each class"
)
_PACKAGES = ("lightgbm", "numpy", "onnxruntime", "pandas", "scikit-learn", "skops", "torch", "xgboost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a model that was brought."""

    candidate: Candidate
    verdict: Verdict
    version: ModelVersion | None  # None: the gate did not let it in


def import_model(ws: Workspace, source: str, *, inputs: Sequence[str] = (), tracking: str | None = None) -> Imported:
    """Make a bundle of `models:/name/3`, `runs:/id/path`, a file or a folder, judge it, and register it if it passes.

    It is judged on the evaluation rows of the latest run, and its reference profile is made of that run's training
    rows: where it was really trained, nobody here knows, and the card says so.

    Args:
        ws: an open project that has run once.
        source: what to import.
        inputs: names of the model's inputs in its order, when the model has none of its own.
        tracking: MLflow server; None: as MLflow is configured.

    Raises:
        RefusedError: the model is of no known kind, damaged, not allowed by the policy, fails on the training rows,
            or does not fit the project.
    """
    made = _latest_candidate(ws)
    with awaited_lock(ws.state / "judging.lock"), tempfile.TemporaryDirectory(dir=ws.state) as temporary:
        path = _fetched(source, Path(temporary) / "download", tracking)
        with _told_at(source, temporary):
            foreign = recognise(path)  # first of all: what can't be read costs no look at the data
        datasets = ingest_all(ws, ws.now())
        features = feature_columns(ws, datasets.frames)
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        run = f"import-{1 + ledger.count_by_kind(ws.db).get(IMPORTED, 0):04d}"
        with _told_at(source, temporary):
            candidate = _candidate(ws, foreign, made, folder, run=run, inputs=inputs, features=features)
        _record(ws, candidate, made, source=source, model=folder_digest(path), predictor=foreign.predictor)
        return _judged(ws, candidate, datasets)


@contextmanager
def _told_at(source: str, temporary: str) -> Iterator[None]:
    """Name what was given as the place of an error, where that is none or a copy that nobody has seen.

    Raises:
        RefusedError: also of a model that fails on the training rows; there is no version yet to roll back to.
    """
    try:
        yield
    except PredictionError as error:
        raise RefusedError(what=error.what, why=error.why, fix=_ANSWERS, where=Place(file=source)) from error
    except DetentError as error:
        where = error.where or Place(file=source)
        copied = where.file.startswith(("model.", temporary))
        error.where = replace(where, file=source) if copied else where
        raise


def _judged(ws: Workspace, candidate: Candidate, datasets: Datasets) -> Imported:
    verdict, version = submit(ws, candidate, datasets)
    if version is not None:
        mirror_version(ws, version)
    return Imported(candidate=candidate, verdict=verdict, version=version)


def _candidate(
    ws: Workspace,
    foreign: Foreign,
    made: Event,
    folder: Path,
    *,
    run: str,
    inputs: Sequence[str],
    features: frozenset[str],
) -> Candidate:
    project = ws.project
    train, evaluation = (_frame(ws, made.payload[name]) for name in ("train", "evaluation"))
    if foreign.predictor == "skops" and not foreign.named and not inputs:
        foreign = replace(foreign, named=_estimator_names(foreign, ws))
    table = match_inputs(
        foreign, train, given=inputs, features=features, label=project.target.column, task=project.target.task
    )
    _copy(foreign, folder)
    if foreign.predictor in _TRUSTED:
        write_trust(folder, project.trust)
    signature = describe(folder, foreign.predictor, table)
    predictor = plugins.load("predictor", foreign.predictor).open(folder, signature)
    try:
        describe_rows(ws, folder, predictor, train, evaluation)
    finally:
        close(predictor)
    pack(folder, facts=_facts(ws, foreign, made, run=run, code=folder_digest(_only(foreign) or folder)))
    digest = publish(folder, ws.blobs)
    return Candidate(
        run=run,
        origin=ELSEWHERE,
        digest=digest,
        folder=fetch(digest, ws.blobs, places.bundles(ws.state)),
        signature=signature,
        train=train,
        evaluation=evaluation,
        data_digest=made.payload["evaluation"],
        allowed_inputs=features,
    )


def _facts(ws: Workspace, foreign: Foreign, made: Event, *, run: str, code: str) -> ManifestFacts:
    target = ws.project.target
    return ManifestFacts(
        model=ws.model,
        predictor=foreign.predictor,
        task=target.task,
        label=target.column,
        data_digest=made.payload["train"],
        code_digest=code,
        policy_digest=ws.project.policy_digest,
        environment_digest=environment_digest(_installed()),
        params=(),
        run=run,
        created_at=iso(ws.now()),
        origin=ELSEWHERE,
        notes=(
            "imported: trained elsewhere, on rows that are not known here, perhaps also on those that it was judged on",
            f"its reference profile is made of the training rows of {made.subject.removeprefix('run:')}",
        ),
    )


def _latest_candidate(ws: Workspace) -> Event:
    """Return the latest run's candidate, whose rows an imported model is judged on.

    Raises:
        RefusedError: nothing was run yet.
    """
    made = [event for event in ledger.read(ws.db, kind="candidate.made") if event.payload["origin"] == "pipeline"]
    if not made:
        raise RefusedError(
            what="there are no rows to judge the model on",
            why="a model from elsewhere is judged on the evaluation rows of a run, and no run has made a candidate yet",
            fix="run the pipeline once: detent run",
        )
    return made[-1]


def _fetched(source: str, target: Path, tracking: str | None) -> Path:
    if source.startswith(("models:/", "runs:/")):
        target.mkdir()
        return import_module("detent.loop.imports.mlflow_source").download(source, target, tracking=tracking)
    if "://" in source:
        raise RefusedError(
            what=f"`{source[:100]}` can't be imported",
            why="a model is taken from this machine or from MLflow, not from any address",
            fix="download it yourself, look at it, and give the file",
        )
    return Path(source)


def _copy(foreign: Foreign, folder: Path) -> None:
    for name, path in foreign.files.items():
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RefusedError(
                what=f"`{path.name}` is too large",
                why=f"a file of a bundle may have {MAX_FILE_BYTES:,} bytes",
                fix="serve it by another server, and import its remote.json",
                where=Place(file=str(path)),
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name, follow_symlinks=False)


def _estimator_names(foreign: Foreign, ws: Workspace) -> tuple[str, ...]:
    """Return the names that a scikit-learn model was fitted with; its file is opened with the trusted types only."""
    return import_module("detent.bundle.predictors.skops").fitted_names(
        foreign.files["model.skops"].read_bytes(), ws.project.trust.types
    )


def _only(foreign: Foreign) -> Path | None:
    paths = list(foreign.files.values())
    return paths[0] if len(paths) == 1 else None


def _installed() -> list[str]:
    present = {distribution.metadata["Name"] for distribution in metadata.distributions()}
    return [name for name in _PACKAGES if name in present]


def _frame(ws: Workspace, digest: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(ws.blobs.get(digest)))


def _record(ws: Workspace, candidate: Candidate, made: Event, *, source: str, model: str, predictor: str) -> None:
    ws.record(
        Fact(
            kind=IMPORTED,
            subject=f"run:{candidate.run}",
            actor=ws.actor,
            payload={"model": model, "predictor": predictor, "judged_on": made.subject},
            observed={"source": source},
        )
    )
    rows = {name: made.payload[name] for name in ("train", "evaluation")}
    ws.record(candidate_fact(ws, candidate, {"model": model, **rows}))
