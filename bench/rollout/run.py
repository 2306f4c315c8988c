"""Print, as Markdown, how many requests a bad canary harms before each tool takes it back.

    python bench/rollout/run.py --runs 20 --rate 20

A harmed request is one that the canary answered until the decision and that failed, was slower than the limit would
allow (every one, for a slow canary), or was scored worse (every one, for a worse model).
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rules import RULES
from traces import CASES, FAILING, HOURS, LABEL_DELAY, LIMIT, WEIGHT, Case, Trace, draw


def harmed(case: Case, trace: Trace, second: float) -> int:
    """Count the requests that were worse for the canary until a moment."""
    until = trace.canary & (trace.time <= second)
    if case.failing > FAILING:
        return int((until & trace.failed).sum())
    return int(until.sum())


def cell(case: Case, traces: list[Trace], rule: str) -> str:
    """Return what one tool did with one case: share of rollbacks, median of harmed requests and of minutes."""
    ends = [RULES[rule](trace) for trace in traces]
    back = [(trace, end) for trace, end in zip(traces, ends, strict=True) if end is not None]
    share = f"{len(back)} of {len(traces)}"
    if case in CASES[4:]:
        return f"{share} rolled back by mistake"
    if not back:
        lost = int(np.median([harmed(case, trace, HOURS * 3600) for trace in traces]))
        return f"never ({lost:,} in {HOURS} h)"
    lost = int(np.median([harmed(case, trace, end) for trace, end in back]))
    minutes = float(np.median([end for _, end in back])) / 60
    told = f"{lost:,} ({minutes:.2g} min)"
    return told if len(back) == len(traces) else f"{told}, {share}"


def main() -> int:
    """Draw the traces and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--rate", type=float, default=20.0, help="requests per second, of both arms together")
    told = options.parse_args()
    runs, rate = told.runs, told.rate
    lines = [
        f"{rate:g} requests per second, {WEIGHT:.0%} to the canary, {HOURS} h, a healthy version fails {FAILING:.1%}, "
        f"latency limit {LIMIT * 1000:g} ms, labels after {LABEL_DELAY / 60:g} min; median of {runs} traces.",
        "",
        "| canary | " + " | ".join(RULES) + " |",
        "|---" * (len(RULES) + 1) + "|",
    ]
    for case in CASES:
        traces = [draw(case, seed, rate=rate) for seed in range(runs)]
        lines.append("| " + " | ".join([case.name, *(cell(case, traces, rule) for rule in RULES)]) + " |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
