"""Runs in the environment of Great Expectations, never in ours: a Parquet file and expectations in, results out.

    python gx_runner.py request.json answer.json

It imports nothing of detent. Each expectation is checked by itself, so that one that raises takes no other with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import great_expectations as gx  # pyright: ignore[reportMissingImports]
import pandas as pd
from great_expectations.expectations.expectation_configuration import (  # pyright: ignore[reportMissingImports]
    ExpectationConfiguration,
)


def main(request_file: str, answer_file: str) -> None:
    """Check every expectation of the request and write the answers, in order."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    frame = pd.read_parquet(request["parquet"])
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    answers = [_check(batch, entry) for entry in request["expectations"]]
    Path(answer_file).write_text(json.dumps({"version": gx.__version__, "answers": answers}), encoding="utf-8")


def _check(batch: Any, entry: dict[str, Any]) -> dict[str, Any]:
    try:
        expectation = ExpectationConfiguration(type=entry["type"], kwargs=entry["kwargs"]).to_domain_obj()
        found = batch.validate(expectation, result_format={"result_format": "COMPLETE"})
    except Exception as error:  # noqa: BLE001  (whatever it is, the caller gets it as the answer)
        return {"success": False, "error": f"{type(error).__name__}: {error}"}
    result = found.result or {}
    return {
        "success": bool(found.success),
        "error": _exception(found.exception_info or {}),
        "observed": _plain(result.get("observed_value")),
        "elements": result.get("element_count"),
        "missing": result.get("missing_count"),
        "unexpected": result.get("unexpected_count"),
        "rows": [int(row) for row in result.get("unexpected_index_list") or []],
    }


def _exception(info: dict[str, Any]) -> str:
    """Return the first exception's message; the information is flat, or one level deeper by metric."""
    nested = [part for part in info.values() if isinstance(part, dict)]
    for part in [info, *nested]:
        if part.get("raised_exception"):
            return str(part.get("exception_message") or "it raised an exception")
    return ""


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=str))
    except ValueError:
        return str(value)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
