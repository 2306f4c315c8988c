"""How long commands take: `--help`, and a pipeline in which nothing changed; and who notices an edited helper.

    python bench/startup/run.py --setup     # once: an environment for each peer, by uv
    python bench/startup/run.py             # prints the tables

Run it with the Python of an environment that has detent. Everything it makes lies in the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

HERE = Path(__file__).parent
PEERS = {
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
    report: Sequence[str] = ()  # further arguments with which it writes down its answer
    ran: Callable[[Path, str], int] = lambda _folder, _printed: STEPS  # steps done: no cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One execution; cpu is user and system time of it and the children it waited for."""

    wall: float
    cpu: float
    printed: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="make the environments of the peers, then stop")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="folder for environments and projects")
    parser.add_argument("--detent", type=Path, default=Path(sys.executable).parent, help="`bin` folder with detent")
    parser.add_argument("--runs", type=int, default=11, help="interleaved runs of each command, after one warm-up")
    options = parser.parse_args()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    if options.setup:
        return setup(cache)
    peers = [name for name in PEERS if (cache / name / "bin" / name).exists()]
    print(f"not installed, left out: {', '.join(sorted({*PEERS} - {*peers})) or 'none'}")
    print(versions(cache, options.detent, peers))
    work = cache / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "home").mkdir(parents=True)
    print_times(
        "`TOOL --help`",
        [
            Way(name=name, env=env, command=[name, "--help"], folder=work)
            for name, env in [("detent", options.detent), *((name, cache / name / "bin") for name in peers)]
        ],
        options.runs,
    )
    ways = [way for way in pipelines(cache, options.detent) if way.name.split()[0] in {"detent", "plain", *peers}]
    for way in ways:
        make_project(way)
    print_times("a repeated run in which nothing changed", ways, options.runs)
    print_truth([way for way in ways if way.name != "detent run"])


def setup(cache: Path) -> None:
    for name, packages in PEERS.items():
        if (cache / name).exists():
            print(f"{name}: is there")
            continue
        print(f"{name}: installing")
        python = cache / name / "bin" / "python"
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(cache / name)], check=True)
        install = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", str(python), *packages]
        subprocess.run(install, check=True)


def versions(cache: Path, detent: Path, peers: Sequence[str]) -> str:
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    found = []
    for name, env in [("detent", detent), *((name, cache / name / "bin") for name in peers)]:
        answer = subprocess.run([env / "python", "-c", code, name], check=True, capture_output=True, text=True)
        found.append(f"{name} {answer.stdout.strip()}")
    return f"{', '.join(found)}; Python {sys.version.split()[0]}; {os.cpu_count()} CPUs"


def pipelines(cache: Path, detent: Path) -> list[Way]:
    def peer(name: str) -> Path:
        return cache / name / "bin"

    def written(folder: Path, _printed: str) -> int:
        return len(json.loads((folder / "ran.json").read_text()))

    def dvc_ran(_folder: Path, printed: str) -> int:
        return printed.count("Running stage")

    work = cache / "work"
    no_git = ["dvc", "init", "-q", "--no-scm"]
    repro = {"project": "dvc", "env": peer("dvc"), "command": ["dvc", "repro"], "ran": dvc_ran}
    listed = [no_git, ["mv", "dvc-listed.yaml", "dvc.yaml"]]
    return [
        Way(name="plain Python", env=detent, command=["python", "main.py"], folder=work / "bare", project="bare"),
        Way(
            name="detent pipeline alone",
            env=detent,
            command=["python", "alone.py"],
            folder=work / "alone",
            project="detent",
            report=["--report"],
            ran=written,
        ),
        Way(name="detent run", env=detent, command=["detent", "run"], folder=work / "detent", project="detent"),
        Way(name="dvc repro", folder=work / "dvc-listed", prepare=listed, **repro),
        Way(name="dvc repro (helper not listed)", folder=work / "dvc", prepare=[no_git], **repro),
        Way(name="kedro run", env=peer("kedro"), command=["kedro", "run"], folder=work / "kedro", project="kedro"),
        Way(
            name="metaflow run",
            env=peer("metaflow"),
            command=["python", "flow.py", "run"],
            folder=work / "metaflow",
            project="metaflow",
        ),
        Way(
            name="zenml run",
            env=peer("zenml"),
            command=["python", "flow.py"],
            folder=work / "zenml",
            project="zenml",
            prepare=[["zenml", "init"]],
            report=["--report"],
            ran=written,
        ),
    ]


def make_project(way: Way) -> None:
    shutil.copytree(HERE / "projects" / way.project, way.folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "projects" / "shared" / "helpers.py", way.folder)
    write_data(way.folder / "data")
    for command in way.prepare:
        execute(way, command)


def write_data(folder: Path) -> None:
    """Write 20,000 rows: nine numbers and a label. As Parquet they also have the key and the time that detent needs."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    columns = rng.gamma(2.0, 1.0, (20_000, 9))
    score = columns @ np.linspace(-1, 1, 9) + 0.2 * columns[:, 0] ** 2 - 1
    label = (rng.random(20_000) < 1 / (1 + np.exp(-score))).astype(float)
    table = np.column_stack([columns, label])
    np.save(folder / "table.npy", table)
    frame = pl.DataFrame(table, schema=[*(f"x{number}" for number in range(9)), "y"])
    known = np.datetime64("2025-01-01T00:00:00", "us") + (np.arange(20_000) * 12).astype("timedelta64[m]")
    frame = frame.with_columns(
        id=pl.Series([f"r{number:05d}" for number in range(20_000)]),
        known_at=pl.Series(known).dt.replace_time_zone("UTC"),
    )
    frame.write_parquet(folder / "table.parquet")


def execute(way: Way, command: Sequence[str]) -> Sample:
    """Run a command with a home folder of its own, telemetry off and compiled modules kept."""
    home = way.env.parent.name + "-home" if way.project == "" else way.folder.name
    environment = {name: value for name, value in os.environ.items() if name in {"LANG", "LC_ALL", "TMPDIR"}}
    place = way.folder.parent if way.project else way.folder
    environment |= SETTINGS | {
        "PATH": f"{way.env}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place / "home" / home),
        "ZENML_CONFIG_PATH": str(place / "home" / home / "zenml"),
    }
    Path(environment["HOME"]).mkdir(parents=True, exist_ok=True)
    printed = Path(environment["HOME"]) / "printed.txt"
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
    inner: list[float] = []
    loads = []
    for turn in range(runs + 1):
        loads.append(os.getloadavg()[0])
        for way in ways:
            sample = execute(way, way.command)
            if turn == 0:
                continue
            samples[way.name].append(sample)
            if (way.folder / "seconds.json").exists():
                inner.append(json.loads((way.folder / "seconds.json").read_text()))
                if way.ran(way.folder, ""):
                    raise SystemExit("a step of the repeated run was no hit")
    print(f"\n## {title}: seconds, {runs} interleaved runs, load {min(loads):.1f} .. {max(loads):.1f}\n")
    print("| command | median | min .. max | CPU (median) |\n|---|---:|---:|---:|")
    for name, taken in samples.items():
        print(f"| {name} | {spread([sample.wall for sample in taken])} | {median([s.cpu for s in taken]):.2f} |")
    if inner:
        print(f"| (inside `detent.pipeline.run`) | {spread(inner)} | |")


def spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} | {min(values):.2f} .. {max(values):.2f}"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


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
            cells.append(f"{way.ran(way.folder, sample.printed)}, {verdict}")
        print(f"| {way.name} | {' | '.join(cells)} |")
    if right[0] == right[1]:
        raise SystemExit("the edit of the helper does not change the answer: the table above says nothing")


if __name__ == "__main__":
    main()
