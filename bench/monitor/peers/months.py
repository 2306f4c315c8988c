"""Alarm days of a peer: TOOL MODELS ROWS SHIFT -> JSON, 30 booleans per model. The draws are those of m3."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
from drift import evidently

COLUMNS, DAYS, REFERENCE = 20, 30, 10_000


def nannyml(reference: pd.DataFrame, days: list[pd.DataFrame]) -> list[bool]:
    """One fit, one chunk per day."""
    import nannyml as nml

    calculator = nml.UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=len(days[0]))
    calculator.fit(reference)
    table = calculator.calculate(pd.concat(days, ignore_index=True)).filter(period="analysis").to_df()
    alerts = table.loc[:, table.columns.get_level_values(-1) == "alert"]
    return [bool(row.any()) for _, row in alerts.iterrows()]


def main() -> None:
    """Print whether any column alarmed on each day."""
    tool, models, rows, shift = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    names = [f"x{i}" for i in range(COLUMNS)]
    found = []
    for model in range(models):
        rng = np.random.default_rng([3, model])
        reference = pd.DataFrame(rng.normal(size=(REFERENCE, COLUMNS)), columns=names)
        days = [pd.DataFrame(rng.normal(size=(rows, COLUMNS)), columns=names) for _ in range(DAYS)]
        for day in days:
            day["x0"] += shift
        if tool == "nannyml":
            found.append(nannyml(reference, days))
        else:
            found.append([bool(evidently(reference, day)) for day in days])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
