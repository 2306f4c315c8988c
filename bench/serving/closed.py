"""Closed loop: wrk on core 1 with 1, 16 and 64 connections."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from questions import Questions
from server import GENERATOR_CORE, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """One point of one life of a server."""

    contestant: str
    model: str
    connections: int
    repeat: int
    rate: float  # requests/s
    p50: float  # us
    p99: float
    p999: float
    cpu: float  # us of the server's CPU per request, user and system, all its processes
    load: float  # load average of the machine, 1 minute
    void: str  # why the line does not count; ""


def measure(
    questions: Questions, server: Server, work: Path, *, model: str, connections: int, seconds: float, repeat: int
) -> Closed:
    """Warm up and check every answer for a second, then time."""
    checked = questions.lua(work / "checked.lua", checked=True)
    timed = questions.lua(work / "timed.lua", checked=False)
    void = questions.all_right(server.port, 16)
    warm = _wrk(checked, server.port, connections, 1.0)
    before = server.cpu()
    said = _wrk(timed, server.port, connections, seconds)
    used = server.cpu() - before
    void = void or _problem(warm) or _problem(said) or questions.all_right(server.port, 16)
    requests = max(1.0, said["requests"])
    return Closed(
        contestant=questions.contestant.name,
        model=model,
        connections=connections,
        repeat=repeat,
        rate=said["requests"] / said["seconds"],
        p50=said["p50"],
        p99=said["p99"],
        p999=said["p999"],
        cpu=1e6 * used / requests,
        load=os.getloadavg()[0],
        void=void,
    )


def _problem(said: dict[str, float]) -> str:
    names = {"status": "other status than 200", "sockets": "socket errors", "wrong": "wrong answers"}
    found = [f"{said[key]:.0f} {name}" for key, name in names.items() if said[key]]
    return ", ".join(found) if said["requests"] else "no answers"


def _wrk(script: Path, port: int, connections: int, seconds: float) -> dict[str, float]:
    # wrk takes whole seconds and counts what is on its way at the end as neither answered nor failed.
    command = ["taskset", "-c", GENERATOR_CORE, "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in printed.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise SystemExit(f"wrk said nothing: {printed}")
