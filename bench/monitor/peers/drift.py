"""What a peer says about pairs of tables. Runs in the peer's environment: TOOL FOLDER -> JSON {case: columns flagged}.

python peers/drift.py evidently FOLDER
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    """Its preset as its documentation shows it: every choice is its own."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    found = Report([DataDriftPreset()]).run(current, reference).dict()
    drifted = []
    for metric in found["metrics"]:
        name, value = metric["metric_name"] if "metric_name" in metric else metric["metric_id"], metric["value"]
        if not name.startswith("ValueDrift"):
            continue
        inside = dict(
            part.split("=", 1) for part in name[name.index("(") + 1 : name.rindex(")")].split(",") if "=" in part
        )
        method, limit = inside["method"], float(inside["threshold"])
        small_is_drift = "p_value" in method
        if (value < limit) if small_is_drift else (value >= limit):
            drifted.append(inside["column"])
    return drifted


def nannyml(reference: pd.DataFrame, current: pd.DataFrame) -> list[str]:
    """Its univariate calculator with its default methods, ten chunks of the reference, the window as one chunk."""
    import nannyml as nml

    size = min(len(current), len(reference) // 10)
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(reference.columns),
        treat_as_categorical=[name for name in reference.columns if reference[name].dtype == object],
        chunk_size=size,
    )
    calculator.fit(reference)
    table = calculator.calculate(current).filter(period="analysis").to_df()
    alarms = table.loc[:, table.columns.get_level_values(-1) == "alert"]
    return sorted({column[0] for column in alarms.columns if bool(alarms[column].any())})


def main() -> None:
    """Print what the tool says about every case in a folder."""
    tool, folder = {"evidently": evidently, "nannyml": nannyml}[sys.argv[1]], Path(sys.argv[2])
    said = {}
    for path in sorted(folder.glob("*.reference.csv")):
        name = path.name.removesuffix(".reference.csv")
        tables = [pd.read_csv(folder / f"{name}.{side}.csv") for side in ("reference", "current")]
        try:
            said[name] = tool(*tables)
        except Exception as error:  # noqa: BLE001  (what it can't answer is part of the answer)
            said[name] = f"{type(error).__name__}: {error}"[:80]
    print(json.dumps(said))


if __name__ == "__main__":
    main()
