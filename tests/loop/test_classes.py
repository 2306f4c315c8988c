"""Three classes through the whole loop: trained, judged, registered, served over a socket, and their labels."""

from __future__ import annotations

import json
import shutil
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from detent.cli.main import cli
from detent.loop.champion import bundle_folder
from detent.loop.judging.explained import explain
from detent.loop.judging.judged import find_judged
from detent.loop.releases.labelled import COLUMNS, _matured
from detent.loop.releases.release import release
from detent.loop.runs.reference import read_reference
from detent.loop.scores import predictor_of
from detent.loop.servers.keep_up import keep_up
from detent.loop.servers.serve import NeighbourGateway, supervise
from detent.loop.train import train
from detent.loop.watching.class_drift import class_findings
from detent.loop.watching.drift import budget_of, look_at_drift
from detent.loop.watching.quality import judge_due
from detent.loop.watching.quality_book import whole_window
from detent.loop.watching.watch import watch, windows_in_turn
from detent.loop.workspace import Workspace, open_workspace, virtual_clock
from detent.monitor.drift.window import Seen
from detent.pipeline.executors.local import LocalExecutor
from detent.predictions import labels_of, places, read, record, seal
from detent.records.finding import CRITICAL, INFO, WARNING, Finding
from detent.records.prediction import Label
from detent.registry import versions
from detent.serving.workers.supervisor import Supervisor
from detent.statistics.granules import empty
from detent.store.classes import class_number
from detent.store.clock import iso
from detent.store.segments import SegmentWriter
from detent.store.turns import LogRow, encode_names, encode_turn

from .conftest import REQUEST
from .digits_project import CLASSES, digits, digits_project

INPUTS = ("ink", "top_left", "top_right", "middle", "low_left", "low_right")


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory, executor: LocalExecutor) -> Path:
    folder = digits_project(tmp_path_factory.mktemp("classes") / "digits")
    ws = open_workspace(folder, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.verdict is not None
    assert outcome.verdict.decision == "pass", outcome.verdict.reason
    assert outcome.version is not None
    release(ws, NeighbourGateway(ws), outcome.version.number, reason="test")
    ws.db.close()
    return folder


@pytest.fixture
def trained(_trained: Path, tmp_path: Path) -> Workspace:
    """A project whose version 1, of trees, is champion."""
    shutil.copytree(_trained, tmp_path / "digits")
    return open_workspace(tmp_path / "digits", actor="test")


@pytest.fixture
def server(trained: Workspace) -> Iterator[Supervisor]:
    keep_up(trained)
    supervisor = supervise(trained, port=0)
    supervisor.start()
    yield supervisor
    supervisor.stop()


def post(server: Supervisor, path: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(server.address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def rows(count: int) -> list[dict[str, Any]]:
    return digits().select(INPUTS).head(count).to_dicts()


def test_a_linear_model_is_held_against_the_champion_on_the_same_rows_and_its_refusal_is_explained(
    trained: Workspace, executor: LocalExecutor
) -> None:
    text = (trained.folder / "detent.yaml").read_text().replace("trainer: trees", "trainer: linear")
    (trained.folder / "detent.yaml").write_text(text.replace("accuracy >= 0.55", "accuracy >= 0.99"))
    trained.db.close()
    ws = open_workspace(trained.folder, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.verdict is not None
    assert (outcome.verdict.decision, outcome.version) == ("reject", None)
    results = {result.check: result for result in outcome.verdict.results}
    against = results["log_loss <= champion + 0.4"]
    assert against.rows > 200
    assert against.low is not None
    assert against.high is not None
    assert against.low < against.high
    assert "the champion's" in against.reason
    assert results["permuted(roc_auc_ovr) <= 0.75"].decision == "pass"
    worst = results["worst(accuracy, by=ink) >= 0.4 by estimate"]
    assert {part.value for part in worst.slices} == {"heavy", "light"}
    examples = explain(ws, find_judged(ws, outcome.verdict.id)).seen.examples
    assert examples
    for example in examples:  # the probability of the true class, lower than the champion gives it
        assert example.label in CLASSES
        assert example.champion is not None
        assert 0.0 <= example.candidate < example.champion <= 1.0


def test_callers_get_probabilities_by_name_in_every_protocol(trained: Workspace, server: Supervisor) -> None:
    asked = rows(5)
    said = post(server, "/v1/models/digits:predict", {"inputs": asked})["predictions"]
    for line in said:
        assert set(line["probabilities"]) == set(CLASSES)
        assert sum(line["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)
        assert line["label"] == max(line["probabilities"], key=line["probabilities"].get)
        assert line["score"] == line["probabilities"][line["label"]]
    probabilities = [[line["probabilities"][name] for name in CLASSES] for line in said]

    kinds = ["BYTES", *["FP64"] * 5]
    tensors = [
        {"name": name, "datatype": kind, "shape": [5], "data": [row[name] for row in asked]}
        for name, kind in zip(INPUTS, kinds, strict=True)
    ]
    infer = post(server, "/v2/models/digits/infer", {"inputs": tensors})
    score, label = infer["outputs"]
    assert (score["name"], score["shape"], label["name"], label["shape"]) == ("score", [5, 3], "label", [5])
    assert infer["parameters"]["classes"] == list(CLASSES)
    assert np.reshape(score["data"], (5, 3)) == pytest.approx(np.array(probabilities))
    assert label["data"] == [line["label"] for line in said]
    only = post(server, "/v2/models/digits/infer", {"inputs": tensors, "outputs": [{"name": "score"}]})
    assert [output["name"] for output in only["outputs"]] == ["score"]

    frames = post(server, "/invocations", {"dataframe_records": asked})
    assert np.array(frames["predictions"]) == pytest.approx(np.array(probabilities))


def test_classes_also_come_as_bytes(server: Supervisor) -> None:
    asked = rows(2)
    tensors = [
        {"name": name, "datatype": "BYTES" if name == "ink" else "FP64", "shape": [2],
         "data": [row[name] for row in asked]}
        for name in INPUTS
    ]  # fmt: skip
    body = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    request = urllib.request.Request(server.address + "/v2/models/digits/infer", body)
    with urllib.request.urlopen(request, timeout=20) as answer:
        size, whole = int(answer.headers["Inference-Header-Content-Length"]), answer.read()
    head = json.loads(whole[:size])
    sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
    scores = struct.unpack("<6d", whole[size : size + sizes[0]])
    assert sum(scores[:3]) == pytest.approx(1.0, abs=1e-4)
    first = struct.unpack_from("<I", whole, size + sizes[0])[0]
    label = whole[size + sizes[0] + 4 :][:first].decode()
    assert label == CLASSES[int(np.argmax(scores[:3]))]
    assert len(whole) == size + sum(sizes)


def test_the_log_keeps_every_probability_and_labels_come_back_as_names(trained: Workspace, server: Supervisor) -> None:
    said = post(server, "/v1/models/digits:predict", {"inputs": rows(4)})["predictions"]
    truth = digits()["digit"].head(4).to_list()
    sent = [{"prediction_id": line["id"], "value": name} for line, name in zip(said, truth, strict=True)]
    receipt = post(server, "/feedback", {"labels": sent})
    assert receipt["accepted"] == 4
    for wrong in ("threee", 1):
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(server, "/feedback", {"labels": [{"prediction_id": said[0]["id"], "value": wrong}]})
        assert "must be one of the classes eight, nine, three" in caught.value.read().decode()
    seal(places.segments(trained.state), places.parquet(trained.state))
    logged = read(trained.state).sort("id")
    by_id = {line["id"]: line for line in said}
    for row in logged.iter_rows(named=True):
        assert row["scores"] == [by_id[row["id"]]["probabilities"][name] for name in CLASSES]
        assert row["score"] == max(row["scores"])
    known = labels_of(trained.db, logged["id"])
    found = dict(zip(known["id"], known["label"], strict=True))
    assert [found[line["id"]] for line in said] == [class_number(name) for name in truth]


def test_the_server_describes_an_output_of_three_columns(server: Supervisor) -> None:
    with urllib.request.urlopen(server.address + "/v2/models/digits", timeout=20) as answer:
        outputs = json.load(answer)["outputs"]
    assert [(output["name"], output["shape"]) for output in outputs] == [("score", [-1, 3]), ("label", [-1])]


def test_the_reference_says_how_good_the_model_was(trained: Workspace) -> None:
    folders = [path for path in (trained.state / "bundles").iterdir() if path.is_dir()]
    reference = read_reference(folders[0])
    measured = {quality.metric: quality for quality in reference.quality}
    assert {"accuracy", "log_loss", "brier", "roc_auc_ovr"} <= set(measured)
    assert reference.loss is not None
    assert reference.loss.mean == pytest.approx(measured["brier"].value / 2.0)


class Traffic:
    """Hours of answers with their labels, under a clock of ours."""

    def __init__(self, ws: Workspace) -> None:
        self.clock, self.start = virtual_clock(ws.state, ws.now()), whole_window(ws.now(), timedelta(hours=1))
        project = replace(ws.project, monitor=replace(ws.project.monitor, floor=0.6))
        self.ws = replace(ws, project=project, clock=self.clock)
        self._writer, self._made = SegmentWriter(places.segments(ws.state), "w0"), 0

    def hour(self, number: int, *, turned: bool, count: int = 300) -> None:
        """Log answers that are right 8 times of 10 (`turned`: 2 times), and labels by name half an hour later."""
        draw = np.random.default_rng(number)
        rows, labels = [], []
        for place in range(count):
            code = int(draw.integers(3))
            told = [0.8 if other == code else 0.1 for other in range(3)]
            right = draw.random() < (0.2 if turned else 0.8)
            truth = CLASSES[code if right else (code + 1) % 3]
            at = self.start + timedelta(hours=number, seconds=3600 * place / count)
            self._made += 1
            id_ = f"{int(at.timestamp() * 1000):012x}{self._made:028x}"
            rows.append(
                LogRow(
                    id_, round(at.timestamp() * 1e6), "digits", 1, 1, 1, "live", 1.0, f"e{place}", 0, (), 0.8, "",
                    0.001, "", tuple(told),
                )
            )  # fmt: skip
            labels.append(Label(prediction_id=id_, value=class_number(truth), at=iso(at + timedelta(minutes=30))))
        self._writer.append((encode_turn({0: encode_names(())}, rows),))
        with self.ws.db.transaction() as tx:
            record(tx, labels)

    def said(self, number: int, scores: np.ndarray) -> None:
        """Log an hour of answers with these probabilities, (rows, 3); nobody ever tells the truth about them."""
        rows = []
        for place, told in enumerate(scores.tolist()):
            at = self.start + timedelta(hours=number, seconds=3600 * place / len(scores))
            self._made += 1
            rows.append(
                LogRow(
                    f"{int(at.timestamp() * 1000):012x}{self._made:028x}", round(at.timestamp() * 1e6), "digits", 1, 1,
                    1, "live", 1.0, f"e{place}", 0, (), max(told), "", 0.001, "", tuple(told),
                )
            )  # fmt: skip
        self._writer.append((encode_turn({0: encode_names(())}, rows),))

    def only(self, number: int, name: str, count: int = 200) -> None:
        """Log an hour of answers that are all one class, as sure as ever."""
        code, rows = CLASSES.index(name), []
        for place in range(count):
            at = self.start + timedelta(hours=number, seconds=3600 * place / count)
            self._made += 1
            told = tuple([0.8 if other == code else 0.1 for other in range(3)])
            rows.append(
                LogRow(
                    f"{int(at.timestamp() * 1000):012x}{self._made:028x}", round(at.timestamp() * 1e6), "digits", 1, 1,
                    1, "live", 1.0, f"e{place}", 0, (), 0.8, "", 0.001, "", told,
                )
            )  # fmt: skip
        self._writer.append((encode_turn({0: encode_names(())}, rows),))

    def look(self, hour: float) -> list[Finding]:
        self.clock.set(self.start + timedelta(hours=hour))
        return judge_due(self.ws)


def test_live_quality_is_measured_on_names_and_alarms_when_answers_become_wrong(trained: Workspace) -> None:
    traffic = Traffic(trained)
    traffic.hour(1, turned=False)
    found = [one for one in traffic.look(3.5) if (one.kind, one.statistic) == ("quality", "accuracy")]
    assert [one.severity for one in found] == [INFO]
    assert found[0].value == pytest.approx(0.8, abs=0.08)
    assert found[0].rows == 300
    traffic.hour(3, turned=True)
    found = [one for one in traffic.look(5.5) if (one.kind, one.statistic) == ("quality", "accuracy")]
    assert [one.severity for one in found] == [CRITICAL]
    assert found[0].value == pytest.approx(0.2, abs=0.08)


def test_before_any_label_is_in_a_window_has_its_promise_and_unsure_answers_are_a_warning(trained: Workspace) -> None:
    traffic = Traffic(trained)
    predictor = predictor_of(bundle_folder(trained, versions.get(trained.db, trained.model, 1)))
    asked = digits().tail(250).select(INPUTS)
    usual = np.asarray(predictor.predict(asked.to_dict(as_series=False)), dtype=np.float64)
    unsure = np.full(usual.shape, 1.0 / 3.0) + 0.02 * np.eye(3)[usual.argmax(axis=1)] - 0.02 / 3.0
    traffic.said(1, usual)
    traffic.said(2, unsure)
    found = {one.window_start[11:13]: one for one in traffic.look(3.1) if one.kind == "estimate"}
    before, after = (found[f"{(traffic.start + timedelta(hours=hour)).hour:02d}"] for hour in (1, 2))
    assert (before.statistic, before.severity, before.rows) == ("accuracy", INFO, 250)
    assert "by the calibrated scores of 250 answers of version 1, without labels" in before.message
    assert after.severity == WARNING
    assert after.value < before.value - 0.1
    for window in windows_in_turn(traffic.ws):
        watch(traffic.ws, window)
    shown = CliRunner().invoke(cli, ["-C", str(traffic.ws.folder), "monitor", "report"])
    assert shown.exit_code == 0, shown.output
    assert "Without labels, accuracy is estimated at" in shown.output


def test_arms_of_a_rollout_are_compared_by_half_the_brier_score(trained: Workspace) -> None:
    traffic = Traffic(trained)
    traffic.hour(1, turned=False, count=40)
    traffic.clock.set(traffic.start + timedelta(hours=4))
    losses = _matured(traffic.ws, read(trained.state, columns=COLUMNS))["loss"].to_numpy()
    right, wrong = (0.2**2 + 2 * 0.1**2) / 2, (0.8**2 + 0.9**2 + 0.1**2) / 2
    assert sorted(set(np.round(losses, 9))) == pytest.approx([right, wrong])


def test_a_class_that_is_suddenly_answered_always_is_drift_and_shares_as_ever_are_none(trained: Workspace) -> None:
    traffic = Traffic(trained)
    reference = read_reference(bundle_folder(trained, versions.get(trained.db, trained.model, 1)))
    counts = json.loads(dict(reference.extra)["classes"])["counts"]
    for hour, shares in ((1, counts), (2, [0, 0, sum(counts)])):
        for code, share in enumerate(shares):
            traffic.only(hour, CLASSES[code], count=share)
    found = {}
    for hour in (1, 2):
        start = traffic.start + timedelta(hours=hour)
        traffic.clock.set(start + timedelta(hours=1))
        seen = Seen(start=start, end=start + timedelta(hours=1), granule=empty(reference.layout))
        found[hour] = class_findings(
            traffic.ws, versions.get(trained.db, trained.model, 1), [seen], reference=reference,
            budget=budget_of(traffic.ws), note="",
        )  # fmt: skip
    assert found[1] == []
    (moved,) = found[2]
    assert (moved.column, moved.kind, moved.severity) == ("predicted class", "drift", WARNING)
    assert "three" in moved.message


def test_a_look_at_a_window_tells_of_the_answered_classes_too(trained: Workspace) -> None:
    traffic = Traffic(trained)
    traffic.only(1, "nine", count=300)
    traffic.clock.set(traffic.start + timedelta(hours=2))
    version = versions.get(trained.db, trained.model, 1)
    start = traffic.start + timedelta(hours=1)
    look = look_at_drift(traffic.ws, version, start, first=start)
    assert "predicted class" in {finding.column for finding in look.findings if finding.severity == WARNING}


def by_hand(ws: Workspace, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["-C", str(ws.folder), "label", *arguments])
    return result.exit_code, result.output + ("" if result.exception is None else str(result.exception))


def test_a_person_sees_what_was_answered_and_says_the_class_by_name(trained: Workspace) -> None:
    traffic = Traffic(trained)
    traffic.only(-2, "nine", count=4)
    status, shown = by_hand(trained, "list", "-n", "3")
    lines = [line for line in shown.splitlines() if "version 1  nine 0.8" in line]
    assert (status, len(lines)) == (0, 3)
    id_ = lines[0].split()[0]
    assert by_hand(trained, "set", id_, "nine") == (0, f"{id_}: nine, recorded\n")
    assert by_hand(trained, "set", id_, "nine") == (0, f"{id_}: nine, known already\n")
    assert by_hand(trained, "set", id_, "eight") == (0, f"{id_}: eight, corrected\n")
    assert labels_of(trained.db, pl.Series([id_]))["label"].to_list() == [class_number("eight")]
    assert id_ not in by_hand(trained, "list")[1]
    for wrong in ("8", "Nine", ""):
        status, told = by_hand(trained, "set", id_, wrong)
        assert status != 0
        assert "is none of the classes" in told
    assert labels_of(trained.db, pl.Series([id_]))["label"].to_list() == [class_number("eight")]
