"""How long commands take: `--help`, and a pipeline in which nothing changed; and who notices an edited helper.

    python bench/startup/run.py --setup     # once: an environment for each tool, by uv
    python bench/startup/run.py             # prints the tables

Needs Linux or macOS and uv; detent is installed from this checkout. All it makes lies in the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = {
    "detent": [str(ROOT), "--constraint", str(ROOT / "requirements.lock"), "--refresh-package", "detent"],
    "mlflow": ["mlflow==3.17.2"],
    "dvc": ["dvc==3.67.1", "numpy==2.4.6"],
    "kedro": ["kedro==1.7.0", "kedro-datasets==9.6.0", "numpy==2.4.6"],
    "metaflow": ["metaflow==2.19.39", "numpy==2.4.6"],
    "zenml": ["zenml[local]==0.98.0", "numpy==2.4.6"],
}
SETTINGS = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "USERNAME": "bench",  # Metaflow refuses the user root
}
STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A command that is measured."""

    name: str
    env: Path  # the `bin` folder of its environment
    command: Sequence[str]
    folder: Path
    project: str = ""  # the folder in projects/ that it starts from
    prepare: Sequence[Sequence[str]] = ()  # commands that are run once
    timed: bool = True  # False: in the truth table only
    report: Sequence[str] = ()  # further arguments with which it writes down its answer
    done: Callable[[str], int] = lambda _printed: STEPS  # what it printed -> how many steps it did, not took from cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One execution; cpu is user and system time of it and the children it waited for."""

    wall: float
    cpu: float
    printed: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="make the environments, then stop")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="folder for environments and projects")
    parser.add_argument("--runs", type=int, default=9, help="interleaved runs of each --help, after one warm-up")
    parser.add_argument("--pipeline-runs", type=int, default=5, help="the same for the pipelines")
    parser.add_argument("--truth", action="store_true", help="only the last table: who notices an edited helper")
    options = parser.parse_args()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    if options.setup:
        return setup(cache)
    tools = [name for name in TOOLS if (cache / name / "bin" / name).exists()]
    if "detent" not in tools:
        raise SystemExit("detent is not installed in the cache folder: run with --setup first")
    print(f"{versions(cache, tools)}; left out: {', '.join(sorted({*TOOLS} - {*tools})) or 'none'}")
    work = cache / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "help").mkdir(parents=True)
    ways = [way for way in pipelines(cache) if way.env.parent.name in tools]
    for way in ways:
        make_project(way)
    if not options.truth:
        helps = [
            Way(name=name, env=cache / name / "bin", command=[name, "--help"], folder=work / "help") for name in tools
        ]
        print_times("`TOOL --help`", helps, options.runs)
        print_times(
            "a repeated run in which nothing changed", [way for way in ways if way.timed], options.pipeline_runs
        )
    print_truth([way for way in ways if way.name != "detent run"])


def setup(cache: Path) -> None:
    for name, packages in TOOLS.items():
        if (cache / name).exists():
            print(f"{name}: is there")
            continue
        print(f"{name}: installing")
        python = cache / name / "bin" / "python"
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(cache / name)], check=True)
        install = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *packages]
        subprocess.run(install, check=True)


def versions(cache: Path, tools: Sequence[str]) -> str:
    code = "import sys; from importlib.metadata import version; print(sys.argv[1], version(sys.argv[1]))"
    python = subprocess.run([cache / "detent/bin/python", "-V"], check=True, capture_output=True, text=True)
    found = [
        subprocess.run([cache / name / "bin/python", "-c", code, name], check=True, capture_output=True, text=True)
        for name in tools
    ]
    return f"{', '.join(answer.stdout.strip() for answer in found)}; {python.stdout.strip()}; {os.cpu_count()} CPUs"


def pipelines(cache: Path) -> list[Way]:
    def env(name: str) -> Path:
        return cache / name / "bin"

    def shown(marker: str) -> Callable[[str], int]:
        return lambda printed: len(re.findall(marker, printed))

    work = cache / "work"
    no_git = ["dvc", "init", "-q", "--no-scm"]
    repro = {"project": "dvc", "env": env("dvc"), "command": ["dvc", "repro"], "done": shown("Running stage")}
    zenml = {
        "project": "zenml",
        "env": env("zenml"),
        "prepare": [["zenml", "init"]],
        "report": ["--report"],
        "done": lambda printed: STEPS - printed.count("Using cached version of step"),
    }
    listed = [no_git, ["mv", "dvc-listed.yaml", "dvc.yaml"]]
    return [
        Way(
            name="plain Python", env=env("detent"), command=["python", "main.py"], folder=work / "bare", project="bare"
        ),
        Way(
            name="detent pipeline alone",
            env=env("detent"),
            command=["python", "alone.py"],
            folder=work / "alone",
            project="detent",
            report=["--report"],
            done=shown("ran: "),
        ),
        Way(
            name="detent run",
            env=env("detent"),
            command=["detent", "run"],
            folder=work / "detent",
            project="detent",
            done=shown(r"(?m)^  \w+ +ran "),
        ),
        Way(name="dvc repro", folder=work / "dvc-listed", prepare=listed, **repro),
        Way(name="dvc repro (helper not listed)", folder=work / "dvc", prepare=[no_git], timed=False, **repro),
        Way(
            name="kedro run",
            env=env("kedro"),
            command=["kedro", "run"],
            folder=work / "kedro",
            project="kedro",
            done=shown("Running node"),
        ),
        Way(
            name="metaflow run",
            env=env("metaflow"),
            command=["python", "flow.py", "run"],
            folder=work / "metaflow",
            project="metaflow",
            done=shown("Task finished successfully"),
        ),
        Way(name="zenml run", command=["python", "flow.py"], folder=work / "zenml", **zenml),
        Way(
            name="zenml run (helper listed)",
            command=["python", "flow.py", "--listed"],
            folder=work / "zenml-listed",
            timed=False,
            **zenml,
        ),
    ]


def make_project(way: Way) -> None:
    shutil.copytree(HERE / "projects" / way.project, way.folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "projects" / "shared" / "helpers.py", way.folder)
    python = way.folder.parents[1] / "detent/bin/python"
    subprocess.run([python, HERE / "projects/shared/data.py", way.folder / "data"], check=True)
    for command in way.prepare:
        execute(way, command)


def execute(way: Way, command: Sequence[str]) -> Sample:
    """Run a command with a home folder of its own, telemetry off and compiled modules kept."""
    home = way.folder.parent / "home" / way.folder.name
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name in {"LANG", "LC_ALL", "TMPDIR"}}
    environment |= SETTINGS | {
        "PATH": f"{way.env}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "ZENML_CONFIG_PATH": str(home / "zenml"),
    }
    printed = home / "printed.txt"
    with printed.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=way.folder, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    text = printed.read_text(errors="replace")
    if process.returncode != 0:
        raise SystemExit(f"{way.name}: `{' '.join(command)}` ended with {process.returncode}:\n{text[-3000:]}")
    return Sample(wall=wall, cpu=usage.ru_utime + usage.ru_stime, printed=text)


def print_times(title: str, ways: Sequence[Way], runs: int) -> None:
    """Run all commands in turn, `runs` times over, and print medians; the first round is a warm-up and not counted."""
    samples: dict[str, list[Sample]] = {way.name: [] for way in ways}
    loads = []
    for turn in range(runs + 1):
        loads.append(os.getloadavg()[0])
        for way in ways:
            sample = execute(way, way.command)
            if turn > 0:
                samples[way.name].append(sample)
    print(f"\n## {title}: seconds, {runs} interleaved runs, load {min(loads):.1f} .. {max(loads):.1f}\n")
    print("| command | steps done | wall: median | quartiles | min .. max | CPU: median | min .. max |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for way in ways:
        taken = samples[way.name]
        done = sorted({way.done(sample.printed) for sample in taken}) if way.project else []
        wall, cpu = [sample.wall for sample in taken], [sample.cpu for sample in taken]
        low, middle, high = statistics.quantiles(wall, n=4, method="inclusive")
        print(
            f"| {way.name} | {', '.join(map(str, done))} | {middle:.2f} | {low:.2f} .. {high:.2f} | {ends(wall)} "
            f"| {statistics.median(cpu):.2f} | {ends(cpu)} |"
        )
        inner = [float(found[1]) for sample in taken if (found := re.search(r"pipeline\.run: (\S+) s", sample.printed))]
        if inner:
            print(
                f"| ... of it inside `detent.pipeline.run` | | {statistics.median(inner):.2f} | | {ends(inner)} | | |"
            )


def ends(values: Sequence[float]) -> str:
    return f"{min(values):.2f} .. {max(values):.2f}"


def print_truth(ways: Sequence[Way]) -> None:
    """Edit the helper in each project; plain Python says what the right answer is."""
    edits = {
        "nothing": ("", ""),
        "helper computes something else": ("columns - columns.mean(axis=0)", "columns - np.median(columns, axis=0)"),
        "that edit taken back": ("", ""),
        "comment in the helper": ("    return (columns", "    # Mean 0, deviation 1.\n    return (columns"),
    }
    print(f"\n## after an edit of a helper that a step calls: steps done of {STEPS}, and the answer\n")
    print(f"| command | {' | '.join(edits)} |\n|---|{'---|' * len(edits)}")
    original = (HERE / "projects" / "shared" / "helpers.py").read_text()
    right: list[str] = []
    for way in ways:
        execute(way, [*way.command, *way.report])
        cells = []
        for position, (old, new) in enumerate(edits.values()):
            helper = way.folder / "helpers.py"
            changed = original.replace(old, new) if old else original
            if helper.read_text() != changed:
                helper.write_text(changed)
            sample = execute(way, [*way.command, *way.report])
            answer = (way.folder / "model.json").read_text()
            if way.project == "bare":
                right.append(json.dumps(json.loads(answer)))
            verdict = "right" if json.dumps(json.loads(answer)) == right[position] else "STALE"
            cells.append(f"{way.done(sample.printed)}, {verdict}")
        print(f"| {way.name} | {' | '.join(cells)} |")
    if right[0] == right[1]:
        raise SystemExit("the edit of the helper does not change the answer: the table above says nothing")


if __name__ == "__main__":
    main()
