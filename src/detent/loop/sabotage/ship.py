"""Ship a known-bad candidate through the front door: the same gate, registry and rollout as an honest one."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module

import polars as pl

from detent import plugins
from detent.bundle.codec import manifest_from_json
from detent.errors import DetentError, RefusedError, TamperedError, did_you_mean
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.controller import Controller
from detent.loop.judging.judge import is_pass, judge_candidate
from detent.loop.runs.candidate import Candidate, Parts, make_candidate
from detent.loop.runs.datasets import ingest_all
from detent.loop.runs.mirror import mirror_version
from detent.loop.sabotage.tampering import ADMISSION, REGISTRY, Tampering
from detent.loop.sabotage.tampering import KINDS as tampering_kinds
from detent.loop.train import candidate_fact, submit
from detent.loop.workspace import Workspace
from detent.records.event import Event, Fact
from detent.records.rollout import ROLLED_BACK
from detent.records.version import ModelVersion
from detent.rollout import store as rollouts
from detent.store import ledger
from detent.store.canonical import digest
from detent.training import Model
from detent.training.model import NOTES_NAME

# These skip the shadow stage, as an urgent fix would: the fault shows only on live traffic; the canary must catch it.
HOTFIX = ("raising",)
GATE = "gate"


def ship(ws: Workspace, controller: Controller, kind: str) -> str | None:
    """Spoil the champion, put it before the gate, and roll it out if it passes. Returns what happened in words.

    None while another rollout runs: an endpoint has one at a time.

    Raises:
        RefusedError: there is no champion to spoil, or it is no model of this project's pipeline.
        DetentError: no sabotage of that name, or one that this model can't have: an input it needs is not there, or a
            program would have to give a probability per class.
    """
    tampering = tampering_kinds.get(kind)
    if kind not in kinds():  # told first
        raise DetentError(
            what=f"there is no sabotage named `{kind}`",
            why="a sabotage is looked up by name: `detent sabotage` lists them",
            fix=did_you_mean(kind, kinds()),
        )
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
    ws.record(_shipped(ws, candidate, kind, champion))
    ws.record(candidate_fact(ws, candidate, {}))
    if tampering is not None:
        return _slip_in(ws, controller, kind, candidate, tampering)
    verdict, version = submit(ws, candidate, ingest_all(ws, ws.now()))
    if version is None:
        return f"sabotage `{kind}` was refused by the gate: {verdict.reason}"
    mirror_version(ws, version)
    controller.roll_out(version.number, reason=f"sabotage `{kind}`", hotfix=kind in HOTFIX)
    rolled = f"as version {version.number} and is being rolled out"
    if stops(kind) != GATE:
        return f"sabotage `{kind}` passed the gate {rolled}"
    return (
        f"sabotage `{kind}` passed the gate, which should stop it, {rolled}: on these rows it harms less than your "
        f"lines forbid, or than so few rows show (detent gate explain {version.number}, detent gate plan)"
    )


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds, sorted."""
    return tuple(sorted({*plugins.names("sabotage"), *tampering_kinds}))


def stops(kind: str) -> str:
    """Return where a kind must be stopped at the latest: gate, registry, admission or canary; "" when nobody said."""
    tampering = tampering_kinds.get(kind)
    if tampering is not None:
        return tampering.stops
    return getattr(import_module(plugins.load("sabotage", kind).__module__), "STOPS", "")


def lasting(kind: str) -> bool:
    """Tell whether a kind leaves the state untrue, so that `detent up` will not start on it again."""
    return kind in tampering_kinds and tampering_kinds[kind].lasting


def _slip_in(ws: Workspace, controller: Controller, kind: str, candidate: Candidate, tampering: Tampering) -> str:
    """Let somebody get at a candidate behind the gate, and see who notices."""
    verdict = judge_candidate(ws, candidate, ingest_all(ws, ws.now()))
    if tampering.spoil is None and not is_pass(verdict):
        return f"sabotage `{kind}` could not be tried: its honest twin was refused by the gate ({verdict.reason})"
    try:
        version = tampering.act(ws, candidate, verdict)
    except (RefusedError, TamperedError) as refusal:
        return _stopped(ws, candidate, kind, REGISTRY, f"{refusal.what}: {refusal.why}")
    rollout = controller.roll_out(version.number, reason=f"sabotage `{kind}`")
    if rollout.state == ROLLED_BACK:
        return _stopped(ws, candidate, kind, ADMISSION, rollout.reason)
    return f"sabotage `{kind}` is in the registry as version {version.number}, and no process has looked at it yet"


def _stopped(ws: Workspace, candidate: Candidate, kind: str, where: str, reason: str) -> str:
    payload = {"kind": kind, "where": where, "reason": reason}
    ws.record(Fact(kind="sabotage.stopped", subject=f"run:{candidate.run}", actor=ws.actor, payload=payload))
    return f"sabotage `{kind}` was refused by the {where}: {reason}"


def _shipped(ws: Workspace, candidate: Candidate, kind: str, champion: ModelVersion) -> Fact:
    return Fact(
        kind="sabotage.shipped",
        subject=f"run:{candidate.run}",
        actor=ws.actor,
        payload={"kind": kind, "reason": f"known-bad candidate `{kind}`, made from version {champion.number}"},
    )


def spoiled(ws: Workspace, champion: ModelVersion, kind: str) -> Candidate:
    """Return the champion made worse, with the rows that the champion was trained and judged on.

    Raises:
        RefusedError: the champion is no model of this project's pipeline.
    """
    tampering = tampering_kinds.get(kind)
    spoil = plugins.load("sabotage", kind) if tampering is None else _before(tampering)
    _require_own(ws, champion)
    made = _made(ws, champion)
    train, evaluation = (_frame(ws, made.payload[name]) for name in ("train", "evaluation"))
    good = Model.load(bundle_folder(ws, champion))
    label, seed = ws.project.target.column, ws.project.simulate.seed
    exclude = [name for name in train.columns if name not in {field.name for field in good.signature.inputs} | {label}]
    # Optional ability of a kind: to make the rows that its own, faulty pipeline would have made.
    module = import_module(spoil.__module__)
    rows = getattr(module, "rows", None)
    if rows is not None:
        train, evaluation = rows(train, evaluation, label=label, exclude=exclude, task=good.task, seed=seed)
    bad = spoil(good, train, label=label, exclude=exclude, seed=seed)
    program = getattr(module, "program", None)  # another one: to be served as a program instead of a graph
    count = sum(1 for _ in ledger.read(ws.db, kind="sabotage.shipped"))
    parts = Parts(
        model=bad,
        train=train,
        evaluation=evaluation,
        train_digest=_digest(train),
        evaluation_digest=_digest(evaluation),
        code_digest=digest(f"sabotage {kind}".encode()),
        program=None if program is None else program(bad),
    )
    allowed = frozenset(made.payload["allowed_inputs"])
    return make_candidate(ws, parts, run=f"sabotage-{count + 1:02d}-{kind}", origin=f"sabotage:{kind}", allowed=allowed)


def _before(tampering: Tampering) -> Callable[..., Model]:
    """Return how the candidate is spoilt that somebody gets at afterwards."""
    return _as_it_is if tampering.spoil is None else plugins.load("sabotage", tampering.spoil)


def _as_it_is(model: Model, _train: pl.DataFrame, **_told: object) -> Model:
    return model


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
