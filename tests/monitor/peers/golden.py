"""Distances of the reference samples as a peer computes them, as JSON. Runs in the peer's environment: TOOL."""

from __future__ import annotations

import json
import logging
import sys
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
g = np.random.default_rng(42)
a, b = g.normal(0, 1, 5000), g.normal(0.2, 1.1, 3000)
ca = g.choice(list("abcd"), 5000, p=[0.4, 0.3, 0.2, 0.1])
cb = g.choice(list("abcde"), 3000, p=[0.35, 0.3, 0.2, 0.1, 0.05])

if sys.argv[1] == "evidently":
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    found = {
        name: float(getattr(stattests, name)(pd.Series(a), pd.Series(b), ColumnType.Numerical, None).drift_score)
        for name in ("psi_stat_test", "jensenshannon_stat_test", "hellinger_stat_test", "wasserstein_stat_test")
    }
else:
    from nannyml.chunk import SizeBasedChunker
    from nannyml.drift.univariate import methods
    from nannyml.thresholds import StandardDeviationThreshold

    def run(name, reference, current):
        method = getattr(methods, name)(chunker=SizeBasedChunker(1000), threshold=StandardDeviationThreshold())
        method.fit(pd.Series(reference, name="x"))
        return float(method.calculate(pd.Series(current, name="x")))

    numbers = ("ContinuousJensenShannonDistance", "KolmogorovSmirnovStatistic", "WassersteinDistance")
    levels = ("CategoricalJensenShannonDistance", "Chi2Statistic", "LInfinityDistance", "CategoricalHellingerDistance")
    found = {name: run(name, a, b) for name in (*numbers, "ContinuousHellingerDistance")}
    found |= {name: run(name, ca, cb) for name in levels}
sys.stdout.write(json.dumps(found) + "\n")
