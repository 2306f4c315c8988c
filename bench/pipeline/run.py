"""Pipelines side by side: who is right, how long it takes, how many steps are run, what a crash costs.

    python bench/pipeline/run.py --cache .bench/pipeline              # everything; the report lies in the cache folder
    python bench/pipeline/run.py --cache .bench/pipeline --quick      # the truth table, and times at 6 and 100 steps
    python bench/pipeline/run.py --cache .bench/pipeline --write docs/benchmarks.md

Needs Linux, uv and git. It makes the tools' environments itself. A run that was ended goes on with `--resume`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import cases
import environments
import files
import measure
import rough
import rows as truth_rows
import tables
import truth
import ways
from cases import Limits, Timing
from files import Operation
from rough import Crash, Pair
from tool import Place, Tool
from truth import Verdict

Record = TypeVar("Record", Timing, Verdict, Crash, Pair, Operation)
PARTS = ("truth", "times", "heavy", "rough", "files")
EDITED = ("cold", "nothing", "leaf", "root", "helper")


def main() -> None:
    options = _arguments()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    measure.adopt_orphans()
    results = Results(cache / "results.jsonl", fresh=not (options.resume or options.print))
    if not options.print:
        environments.create(cache, _environments(options.tools))
        results.describe(cache, options)
        for part in options.parts:
            MEASURE[part](options, cache, results)
        shutil.rmtree(cache / "work", ignore_errors=True)
    report = render(results)
    (cache / "report.md").write_text(report)
    if options.write:
        put(options.write, report)
    print(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".bench/pipeline"), help="folder for all that is made")
    parser.add_argument("--tools", type=lambda text: text.split(","), default=[], help="only these, such as detent,dvc")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument(
        "--sizes", type=lambda text: [int(one) for one in text.split(",")], default=[6, 100, 1000, 10000]
    )
    parser.add_argument("--runs", type=int, default=10, help="repeats of a case; 5 where it takes long")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of one tool in a case, then it is enough")
    parser.add_argument("--cap", type=float, default=300.0, help="seconds after which one run is stopped")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument(
        "--big", type=float, default=2.0, help="size of the large file, GB; needs four times that on disk"
    )
    parser.add_argument("--quick", action="store_true", help="the truth table, and times at 6 and 100 steps")
    parser.add_argument("--resume", action="store_true", help="keep what was measured before")
    parser.add_argument("--print", action="store_true", help="only print what was measured before")
    parser.add_argument("--write", type=Path, help="put the report into this Markdown file, between its markers")
    options = parser.parse_args()
    if options.quick:
        options.parts, options.sizes, options.runs = ["truth", "times", "heavy"], [6, 100], 5
    return options


class Results:
    """What was measured, one JSON line each, so that nothing is lost when a run is ended."""

    TYPES: ClassVar = {"Timing": Timing, "Verdict": Verdict, "Crash": Crash, "Pair": Pair, "Operation": Operation}

    def __init__(self, path: Path, fresh: bool) -> None:
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.records = [self.TYPES[kind](**fields) for kind, fields in map(json.loads, lines) if kind in self.TYPES]
        self.about = [fields for kind, fields in map(json.loads, lines) if kind == "about"]

    def add(self, record: Any) -> None:
        self.records.append(record)
        self._write(type(record).__name__, asdict(record))
        print(_told(record), file=sys.stderr, flush=True)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]

    def describe(self, cache: Path, options: argparse.Namespace) -> None:
        """Note the machine and the versions, once."""
        if self.about:
            return
        versions = {name: environments.installed(cache, name) for name in _environments(options.tools)}
        commit = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--dirty"],
            cwd=environments.ROOT,
            capture_output=True,
            text=True,
        )
        about = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "versions": {name: version for name, version in versions.items() if name != "bare"},
            "python": platform.python_version(),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release().split("-")[0],
            "load": [round(one, 1) for one in os.getloadavg()],
            "commit": commit.stdout.strip().replace("-dirty", " with changes"),
        }
        self.about.append(about)
        self._write("about", about)

    def _write(self, kind: str, fields: dict[str, object]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, fields]) + "\n")


def _told(record: Any) -> str:
    fields = asdict(record)
    if isinstance(record, Timing) and record.wall:
        walls = sorted(record.wall)
        fields |= {
            "wall": f"{walls[len(walls) // 2]:.3f} s",
            "cpu": f"{min(record.cpu):.3f} s",
            "load": record.load[-1],
        }
    return " ".join(f"{key}={value}" for key, value in fields.items() if value not in ("", [], 0, None))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _chosen(tools: Sequence[Tool], names: Sequence[str]) -> list[Tool]:
    """Those asked for; plain Python always, which the others are held against."""
    return [tool for tool in tools if not names or tool.environment in {*names, "bare"}]


def _environments(names: Sequence[str]) -> list[str]:
    return [name for name in environments.PACKAGES if not names or name in {*names, "bare"}]


def measure_truth(options: argparse.Namespace, cache: Path, results: Results) -> None:
    rows = truth_rows.rows()
    done = {(one.tool, one.row) for one in results.of(Verdict)}
    answers = {row.number: truth.right_answers(row, cache) for row in rows}
    for tool in _chosen(ways.judged(), options.tools):
        left = [row for row in rows if (tool.name, row.number) not in done]
        with tool.serving(Place(folder=cache, home=cache / "server", log=cache / "server.log", cache=cache)):
            for row in left:
                results.add(truth.judge(tool, row, cache, answers[row.number]))
    shutil.rmtree(cache / "truth", ignore_errors=True)


def measure_times(options: argparse.Namespace, cache: Path, results: Results) -> None:
    for count in options.sizes:
        for shape in ("chain", "layers") if count >= 100 else ("chain",):
            # Root and helper edits are measured where they say most; elsewhere only what nearly nothing costs.
            kinds = EDITED if count <= 1000 and (shape == "layers" or count <= 100) else ("cold", "nothing", "leaf")
            _measure(options, cache, results, shape, count, kinds)


def measure_heavy(options: argparse.Namespace, cache: Path, results: Results) -> None:
    _measure(options, cache, results, "heavy", 6, ("cold", "nothing", "leaf"))


def _measure(
    options: argparse.Namespace, cache: Path, results: Results, shape: str, count: int, kinds: Sequence[str]
) -> None:
    done = {(one.tool, one.shape, one.count) for one in results.of(Timing)}
    tools = [tool for tool in _chosen(ways.timed(), options.tools) if (tool.name, shape, count) not in done]
    limits = Limits(runs=options.runs, hard=options.budget, cap=options.cap)
    # Small sizes in turns over all tools; large ones tool by tool, so that an ended run loses little.
    for group in [[tool] for tool in tools] if count >= 1000 else [tools]:
        going = cases.courses(group, shape, count, cache)
        for course in going:
            course.lost = _hopeless(course.tool, shape, count, results)
        finished: list[Timing] = []
        cases.measure_cases(going, kinds, limits, finished.append)
        for timing in finished:  # all kinds of a tool or none: --resume leaves out tools that are there
            results.add(timing)
        cases.remove(going)


def _hopeless(tool: Tool, shape: str, count: int, results: Results) -> str:
    """Why a size is not tried: a tenth of it was stopped already."""
    smaller = [one for one in results.of(Timing) if one.tool == tool.name and one.shape == shape and one.kind == "cold"]
    failed = [one for one in smaller if one.count < count and not one.wall]
    return f"not tried: {failed[-1].count:,} steps {failed[-1].note}" if failed else ""


def measure_rough(options: argparse.Namespace, cache: Path, results: Results) -> None:
    tools = [tool for tool in _chosen(ways.timed(), options.tools) if tool.environment != "bare"]
    crashed, paired = {one.tool for one in results.of(Crash)}, {one.tool for one in results.of(Pair)}
    for tool in tools:
        if tool.name not in crashed:
            results.add(rough.crash(tool, cache, options.kills, seed=1))
        if tool.name not in paired:
            results.add(rough.pair(tool, cache))


def measure_files(options: argparse.Namespace, cache: Path, results: Results) -> None:
    done = {one.tool for one in results.of(Operation)}
    for commands in (make() for make in files.ALL):
        name = commands.tool.environment
        if name in done or (options.tools and name not in options.tools):
            continue
        for count, size in ((options.files, 10_000), (1, int(options.big * 1e9))):
            for operation in files.measure_files(commands, cache, count, size, runs=min(3, options.runs)):
                results.add(operation)


MEASURE: dict[str, Callable[[argparse.Namespace, Path, Results], None]] = {
    "truth": measure_truth,
    "times": measure_times,
    "heavy": measure_heavy,
    "rough": measure_rough,
    "files": measure_files,
}


def render(results: Results) -> str:
    return "\n".join(_parts(results))


def _parts(results: Results) -> Iterator[str]:
    rows, verdicts, timings = truth_rows.rows(), results.of(Verdict), results.of(Timing)
    for about in results.about[-1:]:
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        yield f"Measured on {about['date']} (detent at commit {about['commit']}) by `make bench-pipeline`, that is\n"
        yield "    python bench/pipeline/run.py --cache .bench/pipeline --write docs/benchmarks.md\n"
        yield f"{versions}; Python {about['python']}"
        yield f"{about['cores']} cores of a {about['cpu']}; Linux {about['kernel']}"
        yield f"load average at the start {' '.join(map(str, about['load']))}.\n"
    if verdicts:
        yield "### Who is right\n"
        yield tables.truths(rows, verdicts)
        yield "\n#### What they answered where it was wrong\n"
        yield tables.experiments(rows, verdicts)
    if timings:
        for kind, title in tables.KINDS.items():
            yield f"\n### {title[0].upper() + title[1:]}: median seconds (of these on a core)\n"
            yield tables.overview(timings, kind)
        yield "\n### What each trivial step of a cold run costs (of this on a core)\n"
        yield tables.overheads(timings)
    yield from _rest(results)
    if timings:
        yield "\n### Every measurement\n"
        yield tables.timings(timings)


def _rest(results: Results) -> Iterator[str]:
    if crashes := results.of(Crash):
        yield "\n### Killed at a random moment and started again\n"
        yield tables.crashes(crashes)
    if pairs := results.of(Pair):
        yield "\n### Two processes start the same pipeline at once\n"
        yield tables.pairs(pairs)
    if operations := results.of(Operation):
        yield "\n### Versions of data\n"
        yield tables.data(operations)


def put(page: Path, report: str) -> None:
    """Replace what lies between the markers."""
    text = page.read_text()
    before, rest = text.split(tables.BEGIN, 1)
    _, after = rest.split(tables.END, 1)
    page.write_text(f"{before}{tables.BEGIN}\n\n{report}\n{tables.END}{after}")


if __name__ == "__main__":
    main()
