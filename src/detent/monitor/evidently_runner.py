"""Runs in the environment of Evidently, never in ours: two Parquet files in, one page out.

    python evidently_runner.py request.json answer.json

It imports nothing of detent.
"""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import evidently  # pyright: ignore[reportMissingImports]
import pandas as pd
from evidently import DataDefinition, Dataset, Report  # pyright: ignore[reportMissingImports]
from evidently.presets import DataDriftPreset  # pyright: ignore[reportMissingImports]

# The page may run its own scripts and show its own fonts and pictures; it fetches nothing and tells nobody anything.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:"
)
STYLE = "font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 24px; max-width: 60em; overflow-wrap: anywhere"
HEAD = "text-align: left; vertical-align: top; padding-right: 1em; white-space: nowrap"
# The lines of the page that hold data: names of columns, and levels that came from callers.
_DATA = re.compile(r"\s*var (?:additional_graphs_)?metric_\w+ = ")


def main(request_file: str, answer_file: str) -> None:
    """Compare the rows of the request and write the page, then the answer."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    definition = DataDefinition(
        numerical_columns=request["numerical"], categorical_columns=request["categorical"]
    )  # fmt: skip
    reference, current = (
        Dataset.from_pandas(pd.read_parquet(request[side]), data_definition=definition)
        for side in ("reference", "current")
    )
    preset = DataDriftPreset(columns=[*request["numerical"], *request["categorical"]])
    snapshot = Report([preset]).run(current, reference)
    page = Path(request["page"])
    snapshot.save_html(str(page))
    drawn = _headed(_harmless(page.read_text(encoding="utf-8")), request["title"], request["notes"])
    page.write_text(drawn, encoding="utf-8")
    told = {"version": evidently.__version__, "drifted": _drifted(snapshot.dict())}
    Path(answer_file).write_text(json.dumps(told), encoding="utf-8")


def _drifted(found: dict[str, Any]) -> int:
    """Return how many columns Evidently calls drifted: its first metric says so."""
    return int(found["metrics"][0]["value"]["count"])


def _harmless(page: str) -> str:
    """Keep what callers wrote from being run: Evidently writes data into a script as it is, "</script>" too."""
    lines = page.split("\n")
    data = [number for number, line in enumerate(lines) if _DATA.match(line)]
    if len(data) != 2:
        raise RuntimeError(f"the page has {len(data)} lines of data and should have 2: this Evidently is another one")
    for number in data:  # JSON, where "<" stands in texts only
        lines[number] = lines[number].replace("<", "\\u003c")
    return "\n".join(lines)


def _headed(page: str, title: str, notes: list[list[str]]) -> str:
    """Say above the report what is compared with what."""
    rows = "".join(
        f'<tr><th style="{HEAD}">{html.escape(name)}</th><td>{html.escape(text)}</td></tr>' for name, text in notes
    )
    said = f'<section style="{STYLE}"><h1>{html.escape(title)}</h1><table>{rows}</table></section>'
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{html.escape(title)}</title>'
    return page.lstrip().replace("<head>", f"<head>{meta}", 1).replace("<body>", f"<body>{said}", 1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
