"""A program whose process grows with every call: seen at the gate, and ended where nobody looked before."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import httpx
import numpy as np
import pytest

from detent.bundle.predictors.sandbox import SandboxPredictor
from detent.bundle.protocol import PredictionError
from detent.bundle.sign import seal
from detent.gate import store as verdicts
from detent.gate.checks.growth import LEAST
from detent.gate.judge import identity
from detent.loop.champion import bundle_folder, champion_version
from detent.loop.judging.growth import grown
from detent.loop.judging.judge import judge_candidate, verdict_fact
from detent.loop.judging.keeping import keeps
from detent.loop.judging.side_by_side import Party
from detent.loop.releases.release import release
from detent.loop.runs.candidate import Candidate, Parts, make_candidate
from detent.loop.runs.datasets import ingest_all
from detent.loop.sabotage.ship import spoiled
from detent.loop.scores import predictor_of, score_rows
from detent.loop.servers.keep_up import keep_up
from detent.loop.servers.serve import OwnGateway, supervise
from detent.loop.train import candidate_fact, register
from detent.loop.workspace import Workspace, open_workspace
from detent.records.version import ModelVersion
from detent.training import Model
from detent.training.sabotage.hoard import pickled

from .hoarder import Keeping

ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}
COLUMNS = {"humid": np.linspace(0, 1, 50).tolist(), "miles": [1] * 50, "sex": ["F"] * 50}


def leaking(ws: Workspace) -> Candidate:
    champion = champion_version(ws)
    assert champion is not None
    return spoiled(ws, champion, "memory_leak")


def honest(ws: Workspace) -> Candidate:
    """The champion as a program that keeps nothing."""
    champion = champion_version(ws)
    assert champion is not None
    model, like = Model.load(bundle_folder(ws, champion)), leaking(ws)
    parts = Parts(
        model=model, train=like.train, evaluation=like.evaluation, train_digest="t" * 64,
        evaluation_digest=like.data_digest, code_digest="c" * 64, program=pickled(model.onnx, model.signature, keep=0),
    )  # fmt: skip
    return make_candidate(ws, parts, run="run-0009", origin="pipeline", allowed=like.allowed_inputs)


def party(folder: Path) -> Party:
    return Party(predictor=predictor_of(folder), folder=folder)


def test_the_program_answers_as_the_champion_does_and_the_gate_sees_its_process_grow(served: Workspace) -> None:
    candidate, champion = leaking(served), champion_version(served)
    assert champion is not None
    assert json.loads((candidate.folder / "manifest.json").read_bytes())["predictor"] == "sandbox"
    assert not (candidate.folder / "model.onnx").exists()
    rows, folder = candidate.evaluation.head(200), bundle_folder(served, champion)
    good = score_rows(predictor_of(folder), rows)
    assert score_rows(predictor_of(candidate.folder), rows).tolist() == good.tolist()
    verdict = judge_candidate(served, candidate, ingest_all(served, served.now()))
    (growth,) = [result for result in verdict.results if result.kind == "growth"]
    assert (verdict.decision, growth.decision) == ("reject", "reject")
    assert growth.value == pytest.approx(65_536, rel=0.02)


def test_an_honest_program_is_not_refused_for_it(served: Workspace) -> None:
    candidate, champion = honest(served), champion_version(served)
    assert champion is not None
    found = grown(party(candidate.folder), None, candidate.evaluation)
    assert found is not None
    assert (len(found.ours), found.untold) == (1, "")
    assert found.ours[0] <= LEAST
    folder = bundle_folder(served, champion)
    assert grown(party(folder), party(folder), candidate.evaluation) is None  # a graph is not asked


@pytest.mark.slow
def test_an_honest_program_is_not_refused_for_it_in_twenty_repetitions(served: Workspace) -> None:
    candidate = honest(served)
    found = [grown(party(candidate.folder), None, candidate.evaluation) for _ in range(20)]
    assert [max(one.ours) <= LEAST and not one.untold for one in found if one is not None] == [True] * 20


@pytest.mark.parametrize(
    ("model", "low", "high"),
    [
        (Keeping(), 0, 0),
        (Keeping(call=4096), 4000, 4400),
        (Keeping(call=512), 500, 700),
        (Keeping(row=100_000), 0, 0),
        (Keeping(block=5_000_000), 0, 0),
    ],
)
def test_what_is_kept_of_each_call_is_told_from_caches_and_from_blocks(model: Keeping, low: int, high: int) -> None:
    # As at the gate in a fresh process: one that has lived long fills its free pages first.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        kept, calls = fresh.submit(keeps, model, COLUMNS).result()
    assert low <= kept <= high
    assert 32 <= calls <= 2048


def test_a_model_that_fails_later_is_no_model_that_keeps_nothing() -> None:
    class Failing(Keeping):
        def predict(self, columns):
            if self.asked > 200:
                raise PredictionError(what="the model raised", why="no memory", fix="none")
            return super().predict(columns)

    with pytest.raises(PredictionError):
        keeps(Failing(), COLUMNS)


def _narrow(ws: Workspace) -> Workspace:
    """Let a program take 24 MB more than its libraries need, on one worker; a new version gets all calls."""
    candidate = leaking(ws)
    predictor = predictor_of(candidate.folder)
    assert isinstance(predictor, SandboxPredictor)
    score_rows(predictor, candidate.evaluation.head(1))
    status = Path(f"/proc/{predictor._sandbox._children[0].process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak"))
    file = ws.folder / "detent.yaml"
    text = (
        file.read_text()
        .replace("stages: [shadow, 10%, 50%, 100%]", "stages: [100%]")
        .replace("workers: 2", "workers: 1")
    )
    file.write_text(f"{text}\ntrust: {{memory_mb: {(peak >> 10) + 24}}}\n")
    ws.db.close()
    return open_workspace(ws.folder, actor="test")


def _let_in(ws: Workspace, candidate: Candidate) -> ModelVersion:
    """Register it by a verdict of a gate that did not look at its process: what it said of the champion's answers."""
    champion = champion_version(ws)
    assert champion is not None
    like = verdicts.load(ws.db, champion.verdict)
    about = replace(like, model_digest=candidate.digest, champion_digest=champion.digest, signature="")
    verdict = seal(replace(about, id=identity(about)), ws.key)
    ws.record(candidate_fact(ws, candidate, {}))
    with ws.recording(verdict_fact(ws, verdict, run=candidate.run, origin=candidate.origin, champion=champion)) as tx:
        verdicts.save(tx, verdict, ws.model, ws.now())
    return register(ws, candidate, verdict)


@pytest.mark.slow
def test_where_nobody_looked_its_process_is_ended_and_callers_get_the_champions_answer(served: Workspace) -> None:
    ws = _narrow(served)
    candidate = leaking(ws)
    version = _let_in(ws, candidate)
    keep_up(ws)
    supervisor = supervise(ws, port=0)
    supervisor.start()
    try:
        release(ws, OwnGateway(supervisor), version.number, reason="test", hotfix=True)
        by: list[tuple[int, bool]] = []
        with httpx.Client(base_url=supervisor.address, timeout=60) as client:
            for number in range(3000):
                answer = client.post("/v1/models/shop:predict", json={"inputs": [{**ROW, "price": 9.0 + number}]})
                assert answer.status_code == 200, answer.text
                (line,) = answer.json()["predictions"]
                assert 0 < line["score"] < 1
                by.append((line["version"], bool(line.get("fallback"))))
                if (1, True) in by and by[-1] == (2, False):
                    break
    finally:
        supervisor.stop()
    assert by[0] == (2, False)
    assert (1, True) in by  # the process had no memory left: the champion stepped in
    assert by[-1] == (2, False)  # and a new process answers
