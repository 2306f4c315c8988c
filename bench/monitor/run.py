"""Print, as Markdown, how monitoring compares with Evidently, NannyML, river and whylogs.

    python bench/monitor/run.py [--quick] [--cache .bench/monitor] [--write docs/benchmarks.md] [CASE ...]

A case is a file of `cases/` with `run(cache, *, quick) -> Result`; its name is the part before the first underscore
("m1"). `--quick` shrinks each to seconds. A case that fails is told at its place, and the exit status is 1; nothing is
written into a file then. Each case's table is kept in the cache, so some of them may be measured anew with the others
as they were. Needs uv, and wrk for m7.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from result import markdown, put

HERE = Path(__file__).parent


def cases() -> dict[str, str]:
    """Return the file of each case, by its short name."""
    return {path.stem.partition("_")[0]: path.stem for path in sorted((HERE / "cases").glob("[a-z]*[0-9]_*.py"))}


def main() -> int:
    """Run the cases that were asked for, or all of them."""
    known = cases()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", choices=[[], *known], help=", ".join(known))
    parser.add_argument("--quick", action="store_true", help="small tables, to see that everything runs")
    parser.add_argument("--cache", type=Path, default=Path(".bench/monitor"), help="environments and tables")
    parser.add_argument("--write", type=Path, help="put all tables into this Markdown file, between its markers")
    told = parser.parse_args()
    failed, kept = 0, told.cache / ("quick" if told.quick else "tables")
    kept.mkdir(parents=True, exist_ok=True)
    (told.cache / ".gitignore").write_text("*\n")
    for name in told.case or known:
        try:
            result = import_module(f"cases.{known[name]}").run(told.cache.absolute(), quick=told.quick)
        except Exception:  # noqa: BLE001  (one case must not hide the others)
            failed = 1
            sys.stdout.write(f"### {name}: failed\n\n```\n{traceback.format_exc()}```\n\n")
        else:
            (kept / f"{name}.md").write_text(markdown(result) + f"\n{machine()}\n", encoding="utf-8")
            sys.stdout.write(markdown(result) + "\n")
        sys.stdout.flush()
    if told.write and not failed:
        put(told.write, "\n".join(path.read_text(encoding="utf-8") for path in sorted(kept.glob("*.md"))))
    return failed


def machine() -> str:
    """Return the sentence that says where and when a table was measured."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "CPU")
    busy = os.getloadavg()[0]
    return (
        f"*{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} x {model}, Python {platform.python_version()}, "
        f"load {busy:.1f} at the end.*"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []


if __name__ == "__main__":
    raise SystemExit(main())
