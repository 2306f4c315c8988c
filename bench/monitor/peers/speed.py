"""Time of a peer's comparison: TOOL ROWS COLUMNS RUNS -> JSON {"seconds": [...], "ks": first column's or null}."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd


def main() -> None:
    """Compare the same two tables again and again."""
    tool, rows, columns, runs = sys.argv[1], *map(int, sys.argv[2:5])
    rng = np.random.default_rng(1)
    names = [f"x{i}" for i in range(columns)]
    reference, current = (pd.DataFrame(rng.normal(shift, 1, (rows, columns)), columns=names) for shift in (0.0, 0.1))
    if tool == "whylogs":
        import whylogs as why

        def compare() -> None:
            why.log(current).profile()
    elif tool == "evidently":
        from evidently import Report
        from evidently.presets import DataDriftPreset

        def compare() -> None:
            Report([DataDriftPreset()]).run(current, reference).dict()
    else:
        import nannyml as nml

        calculator = nml.UnivariateDriftCalculator(column_names=names, chunk_size=rows)
        calculator.fit(reference)

        def compare() -> None:
            calculator.calculate(current)

    seconds = []
    for _ in range(runs):
        start = time.process_time()
        compare()
        seconds.append(time.process_time() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
