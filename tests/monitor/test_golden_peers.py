"""The reference values of Evidently and NannyML, computed anew in environments of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.serving.environments import environment

from .peers.cbpe_classes_known import KNOWN as KNOWN_CLASSES
from .peers.dle_known import KNOWN as KNOWN_LOSSES

SCRIPT = Path(__file__).parent / "peers" / "golden.py"
LOSSES = Path(__file__).parent / "peers" / "dle.py"
CLASSES = Path(__file__).parent / "peers" / "cbpe_classes.py"
KNOWN = {
    "evidently": {
        "psi_stat_test": 0.07394164022263176,
        "jensenshannon_stat_test": 0.09543093052914507,
        "hellinger_stat_test": 0.09623442893393785,
        "wasserstein_stat_test": 0.23182187497681128,
    },
    "nannyml": {
        "ContinuousJensenShannonDistance": 0.1143981647447153,
        "KolmogorovSmirnovStatistic": 0.10293333333333334,
        "WassersteinDistance": 0.23167223904905432,
        "ContinuousHellingerDistance": 0.09769068009564325,
        "CategoricalJensenShannonDistance": 0.16648098545301251,
        "Chi2Statistic": 277.5718422021063,
        "LInfinityDistance": 0.054333333333333345,
        "CategoricalHellingerDistance": 0.1648933800861784,
    },
}
PACKAGES = {
    "evidently": ("evidently==0.7.23", "pandas<3"),
    "nannyml": ("nannyml==0.13.1", "pandas<3", "statsmodels"),
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tool", KNOWN)
def test_the_peers_still_give_the_reference_values(tool):
    python = environment(*PACKAGES[tool]) / "python"
    quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    told = subprocess.run([python, SCRIPT, tool], capture_output=True, text=True, check=True, env=quiet, timeout=600)
    assert json.loads(told.stdout.splitlines()[-1]) == pytest.approx(KNOWN[tool], abs=1e-9)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nannyml_still_expects_the_errors_that_ours_are_held_against():
    python = environment(*PACKAGES["nannyml"]) / "python"
    quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    told = subprocess.run([python, LOSSES], capture_output=True, text=True, check=True, env=quiet, timeout=600)
    found = json.loads(told.stdout.splitlines()[-1])
    assert found.keys() == KNOWN_LOSSES.keys()
    for window, known in KNOWN_LOSSES.items():
        assert found[window] == pytest.approx(known, rel=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nannyml_still_expects_the_quality_of_several_classes_that_ours_is_held_against():
    python = environment(*PACKAGES["nannyml"]) / "python"
    quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    told = subprocess.run([python, CLASSES], capture_output=True, text=True, check=True, env=quiet, timeout=600)
    found = json.loads(told.stdout.splitlines()[-1])
    assert found.keys() == KNOWN_CLASSES.keys()
    for window, known in KNOWN_CLASSES.items():
        assert found[window] == pytest.approx(known, abs=1e-9)
