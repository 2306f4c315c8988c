"""The reference of a real model of the template project."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detent.bundle.codec import manifest_from_json
from detent.bundle.facts import ManifestFacts
from detent.bundle.pack import manifest_digest, pack
from detent.bundle.verify import verify
from detent.errors import DetentError
from detent.loop.runs.candidate import Candidate
from detent.loop.runs.reference import build_reference, read_reference, read_reservoir, write_reference
from detent.loop.scores import predictor_of, score_rows
from detent.loop.train import train
from detent.loop.workspace import open_workspace
from detent.pipeline.executors.local import LocalExecutor
from detent.statistics import reference as references
from detent.statistics.granules import cells_of, score_sums, total
from detent.statistics.layout import OUTPUT
from detent.statistics.reference import Reference

from .conftest import REQUEST

TIME = "placed_at"


@pytest.fixture(scope="module")
def made(_template: Path, tmp_path_factory: pytest.TempPathFactory, executor: LocalExecutor) -> tuple[Candidate, str]:
    folder = tmp_path_factory.mktemp("made") / "shop"
    shutil.copytree(_template, folder)
    ws = open_workspace(folder, actor="test")
    outcome = train(ws, REQUEST, executor=executor)
    assert outcome.candidate is not None
    return outcome.candidate, ws.project.target.column


def build(made: tuple[Candidate, str], **changes: object) -> Reference:
    candidate, target = made
    given = {"time": TIME, "target": target, "seed": 1, "slices": ("channel",), "metrics": ("accuracy",), **changes}
    train_rows = given.pop("train", candidate.train)
    evaluation = given.pop("evaluation", candidate.evaluation)
    return build_reference(predictor_of(candidate.folder), train_rows, evaluation, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reference(made: tuple[Candidate, str]) -> Reference:
    return build(made)


def test_inputs_are_of_training_rows_and_scores_of_rows_that_the_model_did_not_see(
    made: tuple[Candidate, str], reference: Reference
) -> None:
    candidate, _ = made
    given = score_rows(predictor_of(candidate.folder), candidate.evaluation)
    assert reference.inputs.rows == candidate.train.height
    assert cells_of(reference.layout, reference.inputs, OUTPUT).bins.sum() == 0
    assert reference.scores.rows == cells_of(reference.layout, reference.scores, OUTPUT).bins.sum() == len(given)
    assert score_sums(reference.layout, reference.scores).sum() == pytest.approx(given.sum(), abs=1e-6)
    assert reference.layout.slices[0][0] == "channel"
    assert sum(one.rows for one in reference.inputs.slices) == candidate.train.height


def test_the_same_rows_give_the_same_bytes(made: tuple[Candidate, str], reference: Reference) -> None:
    assert references.to_bytes(build(made)) == references.to_bytes(reference)


def test_the_calibrator_bends_at_edges_of_the_scores(reference: Reference) -> None:
    assert reference.calibrator is not None
    assert set(reference.calibrator.x) == set(reference.layout.breakpoints)
    assert set(reference.layout.breakpoints) <= set(reference.layout.axes[-1].edges)


def test_seasons_are_the_training_rows_by_hour_of_the_week(reference: Reference) -> None:
    assert len(reference.seasons) == 168
    whole = total(reference.seasons)
    assert whole.rows == reference.inputs.rows
    hour = cells_of(reference.layout.coarse(), reference.seasons[9], "hour")
    assert np.count_nonzero(hour.bins) == 1  # of Monday 9 o'clock, and nothing else


def test_every_column_has_an_inflation_and_every_input_a_share_of_the_score(reference: Reference) -> None:
    names = [axis.name for axis in reference.layout.axes]
    assert [name for name, _ in reference.inflation] == names
    assert all(1.0 <= value <= 50.0 for _, value in reference.inflation)
    assert reference.inflation_of("price") < 1.3  # drawn independently
    assert [name for name, _ in reference.importance] == names[:-1]
    assert sum(share for _, share in reference.importance) == pytest.approx(1.0)


def test_loss_and_quality_are_those_of_the_evaluation_rows(made: tuple[Candidate, str], reference: Reference) -> None:
    candidate, target = made
    y = candidate.evaluation[target].cast(pl.Float64).to_numpy()
    given = score_rows(predictor_of(candidate.folder), candidate.evaluation)
    assert reference.loss is not None
    assert reference.loss.mean == pytest.approx(((y - given) ** 2).mean())
    assert reference.loss.mean < reference.loss.upper < reference.loss.mean + 0.1
    assert [one.metric for one in reference.quality] == ["roc_auc", "log_loss", "brier", "accuracy"]
    auc = reference.metric("roc_auc")
    assert auc is not None
    assert 0.5 < auc.low < auc.value < auc.high < 1.0


def test_without_a_time_there_are_no_seasons_and_no_inflation(made: tuple[Candidate, str]) -> None:
    found = build(made, time=None)
    assert (found.seasons, found.inflation) == ((), ())
    assert build(made, time="no such column").seasons == ()


def test_below_four_weeks_there_are_no_seasons_but_an_inflation(made: tuple[Candidate, str]) -> None:
    rows = made[0].train
    first = rows[TIME].min()
    few = rows.filter(pl.col(TIME) < pl.lit(first) + timedelta(days=20))
    found = build(made, train=few)
    assert found.seasons == ()
    assert len(found.inflation) == len(found.layout.axes)


def test_labels_of_one_class_leave_no_calibrator_and_no_ranking(made: tuple[Candidate, str]) -> None:
    candidate, target = made
    found = build(made, evaluation=candidate.evaluation.filter(pl.col(target).cast(pl.Int64) == 1))
    assert found.calibrator is None
    assert found.loss is not None
    assert found.metric("roc_auc") is None


def test_no_labels_leave_no_loss(made: tuple[Candidate, str]) -> None:
    candidate, target = made
    nothing = candidate.evaluation.with_columns(pl.lit(None, dtype=pl.Float64).alias(target))
    found = build(made, evaluation=nothing)
    assert (found.calibrator, found.loss, found.quality) == (None, None, ())
    assert references.from_bytes(references.to_bytes(found)).loss is None


def test_slices_name_inputs_with_levels(made: tuple[Candidate, str]) -> None:
    with pytest.raises(DetentError, match="no input of the model"):
        build(made, slices=("colour",))
    with pytest.raises(DetentError, match="can't be sliced by `price`"):
        build(made, slices=("price",))


def _packed(candidate: Candidate, reference: Reference, folder: Path) -> str:
    shutil.copytree(candidate.folder, folder)
    manifest = manifest_from_json((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").unlink()
    write_reference(folder, reference, candidate.train, seed=1, keep_rows=100)
    names = ManifestFacts.__dataclass_fields__
    pack(folder, facts=ManifestFacts(**{n: getattr(manifest, n) for n in names if hasattr(manifest, n)}))
    return manifest_digest(folder)


def test_a_bundle_carries_its_reference_and_has_the_same_digest_twice(
    made: tuple[Candidate, str], reference: Reference, tmp_path: Path
) -> None:
    one, two = (_packed(made[0], reference, tmp_path / name) for name in ("one", "two"))
    assert one == two
    manifest = verify(tmp_path / "one", None)
    assert {"reference.bin", "reservoir.parquet"} <= {name for name, _ in manifest.files}
    assert references.to_bytes(read_reference(tmp_path / "one")) == references.to_bytes(reference)
    kept = read_reservoir(tmp_path / "one")
    assert kept is not None
    assert kept.shape == (100, len(reference.layout.axes) - 1)  # inputs only: no label, no key, no time


def test_rows_are_kept_only_when_they_may_be(made: tuple[Candidate, str], reference: Reference, tmp_path: Path) -> None:
    write_reference(tmp_path, reference, made[0].train, keep_rows=0)
    assert [path.name for path in tmp_path.iterdir()] == ["reference.bin"]
    assert read_reservoir(tmp_path) is None


def test_a_bundle_of_an_earlier_form_gives_what_its_profile_tells(made: tuple[Candidate, str], tmp_path: Path) -> None:
    folder = shutil.copytree(made[0].folder, tmp_path / "bundle")
    (folder / "reference.bin").unlink()
    found = read_reference(folder)
    assert found.inputs.rows == made[0].train.height
    assert (found.calibrator, found.loss, found.seasons) == (None, None, ())
