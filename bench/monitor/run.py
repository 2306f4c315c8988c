"""Print, as Markdown, how monitoring compares with Evidently, NannyML, river and whylogs.

    python bench/monitor/run.py [--quick] [--cache .bench/monitor] [CASE ...]

A case is a file of `cases/` with `run(cache, *, quick) -> Result`; its name is the part before the first underscore
("m1"). `--quick` shrinks each to seconds. A case that fails is told at its place, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from importlib import import_module
from pathlib import Path

from result import markdown

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
    told = parser.parse_args()
    failed = 0
    for name in told.case or known:
        try:
            result = import_module(f"cases.{known[name]}").run(told.cache.absolute(), quick=told.quick)
        except Exception:  # noqa: BLE001  (one case must not hide the others)
            failed = 1
            sys.stdout.write(f"### {name}: failed\n\n```\n{traceback.format_exc()}```\n\n")
        else:
            sys.stdout.write(markdown(result) + "\n")
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
