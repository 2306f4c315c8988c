from __future__ import annotations

import logging
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from detent.bundle.load import load
from detent.bundle.pack import manifest_digest
from detent.bundle.verify import verify
from detent.errors import StoreError
from detent.tracking import Mirrored, MlflowTracker

COMMON = {"params": {"depth": "3"}, "metrics": {"roc_auc": 0.7}, "tags": {"detent.verdict": "pass"}}


@pytest.fixture(scope="session")
def ui(state: Path, tracker: MlflowTracker) -> MlflowClient:
    """What `mlflow ui --backend-store-uri sqlite:///...` reads: another client on the same file."""
    assert tracker.client
    uri = f"sqlite:///{state / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_a_run_is_shown_with_its_times_numbers_and_bundle(
    tracker: MlflowTracker, ui: MlflowClient, bundle: Path, now: datetime
) -> None:
    made = tracker.log_run("run-7", **COMMON, artifacts=bundle, now=now, started_at=now - timedelta(minutes=5))
    run = ui.get_run(made)
    assert (run.info.run_name, run.info.status) == ("run-7", "FINISHED")
    assert run.info.end_time == int(now.timestamp() * 1000)
    assert run.info.end_time - run.info.start_time == 300_000
    assert (run.data.params["depth"], run.data.metrics["roc_auc"], run.data.tags["detent.run"]) == ("3", 0.7, "run-7")
    assert "bundle/model.onnx" in [file.path for file in ui.list_artifacts(made, "bundle")]
    assert ui.get_experiment(run.info.experiment_id).name == "detent"


def test_logging_a_run_again_gives_the_same_run(tracker: MlflowTracker, ui: MlflowClient, now: datetime) -> None:
    first = tracker.log_run("run-8", **COMMON, artifacts=None, now=now)
    assert tracker.log_run("run-8", **COMMON, artifacts=None, now=now) == first
    experiment = ui.get_run(first).info.experiment_id
    assert len(ui.search_runs([experiment], "tags.`detent.run` = 'run-8'")) == 1


def test_a_run_that_a_crash_left_open_is_completed(tracker: MlflowTracker, ui: MlflowClient, now: datetime) -> None:
    opened = tracker.client.open_run("run-9", now)
    assert ui.get_run(opened).info.status == "RUNNING"
    assert tracker.log_run("run-9", **COMMON, artifacts=None, now=now) == opened
    assert ui.get_run(opened).info.status == "FINISHED"


def test_texts_that_are_too_long_are_cut_and_odd_numbers_kept(
    tracker: MlflowTracker, ui: MlflowClient, now: datetime
) -> None:
    made = tracker.log_run(
        "it's run 10",
        params={"p": "x" * 9000},
        metrics={"n": float("nan")},
        tags={"t": "y" * 9000},
        artifacts=None,
        now=now,
    )
    data = ui.get_run(made).data
    assert (len(data.params["p"]), len(data.tags["t"])) == (6000, 8000)
    assert np.isnan(data.metrics["n"])


def test_versions_have_our_numbers_also_after_a_gap(tracker: MlflowTracker, ui: MlflowClient, bundle: Path) -> None:
    tracker.mirror_version("gap", 1, bundle, "run-1")
    tracker.mirror_version("gap", 4, bundle, "run-4")
    numbers = sorted(int(version.version) for version in ui.search_model_versions("name = 'gap'"))
    assert numbers == [1, 2, 3, 4]
    assert [tracker.client.has_version("gap", number) for number in (1, 2, 3, 4, 5)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert ui.get_model_version("gap", "4").tags == {"detent.run": "run-4", "detent.digest": manifest_digest(bundle)}


def test_reconcile_fills_what_a_crash_left_out_and_then_finds_nothing(
    tracker: MlflowTracker, ui: MlflowClient, bundle: Path
) -> None:
    ours = [Mirrored(number=number, folder=bundle, run=f"run-{number}") for number in (1, 2, 3)]
    tracker.mirror_version("mend", 3, bundle, "run-3")
    assert tracker.reconcile("mend", ours, {"champion": 2}) == ["1", "2", "champion"]
    assert tracker.reconcile("mend", ours, {"champion": 2}) == []
    assert ui.get_model_version_by_alias("mend", "champion").version == 2
    assert ui.get_model_version("mend", "1").tags["detent.run"] == "run-1"


def test_a_copy_that_was_cut_off_is_made_again(tracker: MlflowTracker, state: Path, bundle: Path) -> None:
    tracker.client.ensure_versions("cut", 1)
    folder = state / "mlartifacts" / "models" / "cut" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"half")
    tracker.mirror_version("cut", 1, bundle, "run-1")
    assert (folder / "model.onnx").read_bytes() == (bundle / "model.onnx").read_bytes()


def test_mirroring_a_version_again_changes_nothing_and_another_bundle_is_refused(
    tracker: MlflowTracker, ui: MlflowClient, bundle: Path, tmp_path: Path
) -> None:
    tracker.mirror_version("twice", 1, bundle, "run-1")
    tracker.mirror_version("twice", 1, bundle, "run-1")
    assert len(ui.search_model_versions("name = 'twice'")) == 1
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(StoreError, match="version 1 of `twice` is another bundle"):
        tracker.mirror_version("twice", 1, tmp_path, "run-1")


def test_aliases_follow_ours(tracker: MlflowTracker, ui: MlflowClient, bundle: Path) -> None:
    for number in (1, 2):
        tracker.mirror_version("named", number, bundle, f"run-{number}")
    assert tracker.reconcile_aliases("named", {"champion": 1, "challenger": 2}) == ["challenger", "champion"]
    assert tracker.reconcile_aliases("named", {"champion": 2}) == ["challenger", "champion"]
    assert {name: int(number) for name, number in ui.get_registered_model("named").aliases.items()} == {"champion": 2}
    tracker.mirror_alias("named", "canary", 1)
    tracker.mirror_alias("named", "canary", None)
    tracker.mirror_alias("named", "canary", None)
    assert tracker.reconcile_aliases("named", {"champion": 2}) == []
    assert tracker.reconcile_aliases("unknown", {}) == []


def test_the_champion_loads_by_its_alias_and_gives_our_scores(
    tracker: MlflowTracker, state: Path, bundle: Path
) -> None:
    tracker.mirror_version("double", 1, bundle, "run-1")
    tracker.mirror_alias("double", "champion", 1)
    uri = f"sqlite:///{state / 'mlflow.db'}"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    try:
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        model = mlflow.pyfunc.load_model("models:/double@champion")
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    rows = pd.DataFrame({"x": [0.1, None, 0.9], "kind": ["a", "zzz", None]})
    expected = load(bundle).predict({name: rows[name].to_list() for name in rows})
    np.testing.assert_array_equal(model.predict(rows), expected)
    verify(bundle, None)  # MLflow wrote its own files beside its copy, not into the bundle


def test_a_damaged_database_is_a_store_error_that_says_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="MLflow could not be written") as caught:
        MlflowTracker(tmp_path).reconcile_aliases("x", {})
    assert "nothing is lost" in caught.value.fix


def test_making_a_tracker_imports_no_mlflow_and_the_first_call_says_nothing(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from detent.tracking import MlflowTracker
tracker = MlflowTracker(Path({str(tmp_path)!r}))
assert "mlflow" not in sys.modules
tracker.reconcile_aliases("x", {{}})
assert "mlflow" in sys.modules
"""
    source = str(Path(__file__).parents[2] / "src")
    environment = {"PYTHONPATH": source, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlartifacts", "mlflow.db"]


def test_mlflow_logs_nothing_below_a_warning(tracker: MlflowTracker) -> None:
    assert tracker.client
    assert not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.INFO)
    assert not logging.getLogger("alembic.runtime.migration").isEnabledFor(logging.INFO)
