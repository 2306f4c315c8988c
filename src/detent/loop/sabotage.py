"""Ship a known-bad candidate through the front door: the same gate, registry and rollout as an honest one."""

from __future__ import annotations

import io
from importlib import import_module

import polars as pl

from detent import plugins
from detent.bundle.codec import manifest_from_json
from detent.errors import RefusedError
from detent.loop.candidate import Candidate, Parts, make_candidate
from detent.loop.controller import Controller
from detent.loop.datasets import ingest_all
from detent.loop.judge import bundle_folder, champion_version
from detent.loop.mirror import mirror_version
from detent.loop.train import candidate_fact, submit
from detent.loop.workspace import Workspace
from detent.records.event import Event, Fact
from detent.records.version import ModelVersion
from detent.rollout import store as rollouts
from detent.store import ledger
from detent.store.canonical import digest
from detent.training import Model
from detent.training.model import NOTES_NAME

# These skip the shadow stage, as an urgent fix would: the fault shows only on live traffic; the canary must catch it.
HOTFIX = ("raising",)


def ship(ws: Workspace, controller: Controller, kind: str) -> str | None:
    """Spoil the champion, put it before the gate, and roll it out if it passes. Returns what happened in words.

    None while another rollout runs: an endpoint has one at a time.

    Raises:
        RefusedError: there is no champion to spoil, or it is no model of this project's pipeline.
        DetentError: no sabotage of that name.
    """
    plugins.load("sabotage", kind)  # an unknown kind is told first
    if rollouts.current(ws.db, ws.project.serving.endpoint) is not None:
        return None
    champion = champion_version(ws)
    if champion is None:
        raise RefusedError(
            what="there is no champion to spoil",
            why="a sabotage is a champion made worse",
            fix="run and deploy an honest model first: detent run, detent deploy",
        )
    candidate = spoiled(ws, champion, kind)
    ws.record(
        Fact(
            kind="sabotage.shipped",
            subject=f"run:{candidate.run}",
            actor=ws.actor,
            payload={"kind": kind, "reason": f"known-bad candidate `{kind}`, made from version {champion.number}"},
        )
    )
    ws.record(candidate_fact(ws, candidate, {}))
    verdict, version = submit(ws, candidate, ingest_all(ws, ws.now()))
    if version is None:
        return f"sabotage `{kind}` was refused by the gate: {verdict.reason}"
    mirror_version(ws, version)
    controller.roll_out(version.number, reason=f"sabotage `{kind}`", hotfix=kind in HOTFIX)
    return f"sabotage `{kind}` passed the gate as version {version.number} and is being rolled out"


def spoiled(ws: Workspace, champion: ModelVersion, kind: str) -> Candidate:
    """Return the champion made worse, with the rows that the champion was trained and judged on.

    Raises:
        RefusedError: the champion is no model of this project's pipeline.
    """
    spoil = plugins.load("sabotage", kind)
    _require_own(ws, champion)
    made = _made(ws, champion)
    train, evaluation = (_frame(ws, made.payload[name]) for name in ("train", "evaluation"))
    good = Model.load(bundle_folder(ws, champion))
    label, seed = ws.project.target.column, ws.project.simulate.seed
    exclude = [name for name in train.columns if name not in {field.name for field in good.signature.inputs} | {label}]
    # Optional ability of a kind: to make the rows that its own, faulty pipeline would have made.
    rows = getattr(import_module(spoil.__module__), "rows", None)
    if rows is not None:
        train, evaluation = rows(train, evaluation, label=label, exclude=exclude, task=good.task, seed=seed)
    bad = spoil(good, train, label=label, exclude=exclude, seed=seed)
    count = sum(1 for _ in ledger.read(ws.db, kind="sabotage.shipped"))
    parts = Parts(
        model=bad,
        train=train,
        evaluation=evaluation,
        train_digest=_digest(train),
        evaluation_digest=_digest(evaluation),
        code_digest=digest(f"sabotage {kind}".encode()),
    )
    allowed = frozenset(made.payload["allowed_inputs"])
    return make_candidate(ws, parts, run=f"sabotage-{count + 1:02d}-{kind}", origin=f"sabotage:{kind}", allowed=allowed)


def _require_own(ws: Workspace, champion: ModelVersion) -> None:
    """Refuse a model from elsewhere: a fault is built into the ONNX graph that a trainer of ours exported."""
    folder = bundle_folder(ws, champion)
    predictor = manifest_from_json((folder / "manifest.json").read_bytes()).predictor
    if predictor == "onnx" and (folder / NOTES_NAME).is_file():
        return
    kind = "an imported ONNX" if predictor == "onnx" else f"a `{predictor}`"
    raise RefusedError(
        what=f"version {champion.number} can't be spoiled: it is {kind} model",
        why="a sabotage builds its fault into the ONNX graph that the project's own pipeline trained and exported",
        fix="deploy a version that `detent run` made, and ship the sabotage then",
    )


def _made(ws: Workspace, version: ModelVersion) -> Event:
    return next(iter(ledger.read(ws.db, kind="candidate.made", subject=f"run:{version.run}")))


def _frame(ws: Workspace, name: str) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(ws.blobs.get(name)))


def _digest(frame: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return digest(buffer.getvalue())
