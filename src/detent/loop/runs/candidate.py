"""A candidate on its way to the gate: a packed bundle with the rows it was trained and is judged on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import polars as pl

from detent.bundle.facts import ManifestFacts
from detent.bundle.files import bundle_bytes
from detent.bundle.pack import pack
from detent.bundle.predictors.onnx import OnnxPredictor
from detent.bundle.predictors.sandbox import FOLDER as PROGRAM_FOLDER
from detent.bundle.protocol import Predictor
from detent.bundle.publish import fetch, publish
from detent.bundle.trust import folder_digest, write_trust
from detent.loop import places
from detent.loop.classes import require_output
from detent.loop.runs.reference import build_reference, write_reference
from detent.loop.workspace import Workspace
from detent.records.signature import Signature
from detent.store.canonical import digest_of
from detent.store.clock import iso
from detent.training import Model

_ENVIRONMENT = ("lightgbm", "numpy", "onnxruntime", "polars", "scikit-learn", "skl2onnx")
ELSEWHERE = "import"  # origin of a model that was made elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a run or a sabotage produced."""

    run: str
    origin: str  # "pipeline", ELSEWHERE or "sabotage:<kind>"
    digest: str  # of the bundle's manifest
    folder: Path  # the unpacked bundle
    signature: Signature
    train: pl.DataFrame  # key, time, inputs and label
    evaluation: pl.DataFrame
    data_digest: str  # of the evaluation rows
    allowed_inputs: frozenset[str]  # columns that the project's feature function makes

    @property
    def bytes(self) -> int:
        """Size of the bundle's files."""
        return bundle_bytes(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a candidate is made of, as the pipeline's outputs."""

    model: Model
    train: pl.DataFrame
    evaluation: pl.DataFrame
    train_digest: str
    evaluation_digest: str
    code_digest: str
    program: bytes | None = None  # a pickle that is served instead of the model's graph


def make_candidate(ws: Workspace, parts: Parts, *, run: str, origin: str, allowed: frozenset[str]) -> Candidate:
    """Pack a model into a bundle, store it by digest and unpack it where servers look."""
    project = ws.project
    with tempfile.TemporaryDirectory(dir=ws.state) as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        parts.model.save(folder)
        if parts.program is not None:
            _as_program(ws, folder, parts.program)
        describe_rows(ws, folder, OnnxPredictor(parts.model.onnx, parts.model.signature), parts.train, parts.evaluation)
        facts = ManifestFacts(
            model=ws.model,
            predictor="onnx" if parts.program is None else "sandbox",
            task=project.target.task,
            label=project.target.column,
            data_digest=parts.train_digest,
            code_digest=parts.code_digest,
            policy_digest=project.policy_digest,
            environment_digest=environment_digest(_ENVIRONMENT),
            params=tuple((name, str(value)) for name, value in project.params),
            run=run,
            created_at=iso(ws.now()),
            origin=origin,
            notes=tuple(parts.model.notes),
        )
        pack(folder, facts=facts)
        digest = publish(folder, ws.blobs)
    return Candidate(
        run=run,
        origin=origin,
        digest=digest,
        folder=fetch(digest, ws.blobs, places.bundles(ws.state)),
        signature=parts.model.signature,
        train=parts.train,
        evaluation=parts.evaluation,
        data_digest=parts.evaluation_digest,
        allowed_inputs=allowed,
    )


def _as_program(ws: Workspace, folder: Path, program: bytes) -> None:
    """Put a program in the place of the graph; the bundle's policy allows this one, as if somebody had trusted it."""
    (folder / "model.onnx").unlink()
    path = folder / PROGRAM_FOLDER / "model.pkl"
    path.parent.mkdir()
    path.write_bytes(program)
    trust = ws.project.trust
    write_trust(folder, replace(trust, pickles=(*trust.pickles, folder_digest(path))))


def describe_rows(
    ws: Workspace, folder: Path, predictor: Predictor, train: pl.DataFrame, evaluation: pl.DataFrame
) -> None:
    """Write what production is compared with into a bundle's folder, before it is packed.

    Raises:
        ProjectError: the model's output is not what the project predicts.
    """
    project = ws.project
    require_output(project.target, predictor.signature)
    reference = build_reference(
        predictor,
        train,
        evaluation,
        time=str(project.source(project.features.rows).time),
        target=project.target.column,
        seed=project.simulate.seed,
        slices=project.monitor.drift.slices,
        metrics=(project.monitor.quality,),
    )
    keep = project.monitor.drift.keep_rows
    write_reference(folder, reference, train, seed=project.simulate.seed, keep_rows=keep)


def environment_digest(packages: Sequence[str]) -> str:
    """Return the digest of the installed versions that decide what a model computes."""
    return digest_of({name: metadata.version(name) for name in packages})
