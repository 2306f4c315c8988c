"""What counting costs a serving process: one worker with and one without it, in turn, asked by wrk on another core."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from result import Result

from detent.bundle.facts import ManifestFacts
from detent.bundle.load import load
from detent.bundle.pack import manifest_digest, pack
from detent.bundle.sign import seal, sign, write_verdict
from detent.loop.runs.reference import build_reference, write_reference
from detent.records.check import Verdict
from detent.records.route import Arm, Route
from detent.serving import places
from detent.serving.models.locate import Located, write_index
from detent.serving.pages.routes import RoutePage
from detent.serving.workers.settings import SupervisorSettings
from detent.serving.workers.supervisor import Supervisor
from detent.statistics.columns import Column
from detent.statistics.counting import Tally
from detent.statistics.layout import OUTPUT, layout_of
from detent.training import lightgbm

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COLUMNS, ROUNDS, SECONDS = 20, 7, 4
MANY = 512  # rows that a serving process counts at once
WHEN = "2013-06-01T00:00:00.000000+00:00"
TICK = 1 / os.sysconf("SC_CLK_TCK")


def run(cache: Path, *, quick: bool) -> Result:  # noqa: ARG001  (needs no other environment)
    """Ask 16 connections for single rows."""
    rounds, seconds = (2, 1) if quick else (ROUNDS, SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(Path(folder) / "bundle")
        found = {mode: [] for mode in ("off", "on")}
        for turn in range(rounds):
            for mode in ("off", "on") if turn % 2 else ("on", "off"):
                found[mode].append(
                    _measure(Path(folder) / f"{mode}{turn}", bundle, profiles=mode == "on", seconds=seconds)
                )
    middle = {mode: [statistics.median(column) for column in zip(*lines, strict=True)] for mode, lines in found.items()}
    rows = [(mode, *(f"{value:,.1f}" for value in values)) for mode, values in middle.items()]
    more = [b[3] - a[3] for a, b in zip(found["off"], found["on"], strict=True)]
    return Result(
        title=f"M7: one worker, trees with {COLUMNS} inputs, 16 connections, one row per request",
        columns=("counting", "requests/s", "p50 (us)", "p99 (us)", "CPU of the worker per request (us)"),
        rows=tuple(rows),
        notes=(
            f"Medians of {rounds} lives of {seconds} s each, on and off in turn; the worker on core 0, wrk on core 1.",
            f"What a request with {COLUMNS} numbers adds, packed and counted by the {MANY}: {_alone():.2f} us of CPU "
            "(the best of 9 times 51,200 rows in one process, which other work on the machine disturbs least).",
            f"CPU per request, on minus off, of each pair: {', '.join(f'{value:+.1f}' for value in sorted(more))} us.",
        ),
    )


def _alone() -> float:
    """Return microseconds of CPU per row, as `serving.granules` does it."""
    random = np.random.default_rng(2)
    values = random.normal(size=(MANY, COLUMNS))
    names = [f"f{number}" for number in range(COLUMNS)]
    columns: dict[str, Column] = {**dict(zip(names, values.T, strict=True)), OUTPUT: random.random(MANY)}
    tally = Tally(layout_of(columns, [(name, "number") for name in names]))
    rows, scores, best = values.tolist(), random.random(MANY).tolist(), float("inf")
    for _ in range(9):
        began = time.process_time()
        for _ in range(100):
            tally.add_packed([tally.pack(*row) for row in rows], scores)
        best = min(best, time.process_time() - began)
    return 1e6 * best / (100 * MANY)


def _measure(state: Path, bundle: Path, *, profiles: bool, seconds: int) -> tuple[float, float, float, float]:
    write_index(state, {"m/1": Located(digest=manifest_digest(bundle), folder=str(bundle))})
    route = Route(
        endpoint="m", model="m", seq=1, arms=(Arm(version=1, weight=10_000),), shadows=(), fallback=None, loaded=(1,),
        salt="m",
    )  # fmt: skip
    RoutePage(places.route_page(state)).write([route])
    settings = SupervisorSettings(
        state=state, endpoints=("m",), public_key=KEY.public_key().public_bytes_raw(), workers=1, profiles=profiles
    )
    with Supervisor(settings) as server:
        (pid,) = server.alive()
        os.sched_setaffinity(pid, {0})
        script = state / "ask.lua"
        script.write_text(_script())
        _wrk(script, server.address, 1)
        before = _cpu(pid)
        requests, p50, p99 = _wrk(script, server.address, seconds)
        used = _cpu(pid) - before
    return requests / seconds, p50, p99, 1e6 * used / requests


def _script() -> str:
    random = np.random.default_rng(1)
    bodies = [json.dumps({"inputs": [dict(_row(random))]}) for _ in range(200)]
    listed = ",\n".join(f"'{body}'" for body in bodies)
    return f"""
local bodies = {{{listed}}}
local at = 0
request = function()
  at = at % #bodies + 1
  return wrk.format("POST", "/v1/models/m:predict", {{["content-type"] = "application/json"}}, bodies[at])
end
done = function(summary, latency)
  io.write(string.format("FOUND %d %f %f %d\\n", summary.requests, latency:percentile(50), latency:percentile(99),
    summary.errors.status))
end
"""


def _row(random: np.random.Generator) -> list[tuple[str, float]]:
    return [(f"f{number}", float(value)) for number, value in enumerate(random.normal(size=COLUMNS))]


def _wrk(script: Path, address: str, seconds: int) -> tuple[float, float, float]:
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), address]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"FOUND (\d+) ([\d.]+) ([\d.]+) (\d+)", said)
    if found is None or found[4] != "0":
        raise RuntimeError(f"wrk got wrong answers: {said[-500:]}")
    return float(found[1]), float(found[2]), float(found[3])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def _bundle(folder: Path) -> Path:
    random = np.random.default_rng(0)
    rows = random.normal(size=(20_000, COLUMNS))
    late = (rows[:, 0] * rows[:, 1] + rows[:, 2] + random.normal(size=len(rows)) > 0).astype(np.int64)
    frame = pl.DataFrame({**{f"f{number}": rows[:, number] for number in range(COLUMNS)}, "late": late})
    lightgbm(frame[:15_000], label="late", n_estimators=100, num_leaves=31).save(folder)
    facts = ManifestFacts(
        model="m", task="binary", label="late", data_digest="d" * 64, code_digest="c" * 64, policy_digest="e" * 64,
        environment_digest="f" * 64, params=(), run="run-1", created_at=WHEN,
    )  # fmt: skip
    pack(folder, facts=facts)
    made = build_reference(load(folder), frame[:15_000], frame[15_000:], time=None, target="late", seed=0)
    (folder / "manifest.json").unlink()
    write_reference(folder, made)
    pack(folder, facts=facts)
    sign(folder, KEY)
    verdict = Verdict(
        id="1" * 64, decision="pass", results=(), model_digest=manifest_digest(folder), data_digest="d" * 64,
        policy_digest="e" * 64, champion_digest=None, reason="made for a benchmark", judged_at=WHEN,
    )  # fmt: skip
    write_verdict(folder, seal(verdict, KEY))
    return folder
