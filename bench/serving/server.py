"""One life of a server on core 0: start it, know its processes, their CPU time and memory, end all of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import environments
from contestants import SERVERS, Contestant, Place

SERVER_CORE, GENERATOR_CORE = "0", "1"
TICK = 1 / os.sysconf("SC_CLK_TCK")
START_SECONDS = 90.0


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], port: int, cold: float) -> None:
        self.process, self.port, self.cold = process, port, cold  # cold: seconds from start to the first 200

    def pids(self) -> list[int]:
        found = [self.process.pid]
        for one in found:  # the list grows while it is walked
            found += [below for below in _children(one) if below not in found]
        return found

    def cpu(self) -> float:
        """Return the seconds of user and system time that its processes have used."""
        return sum(map(_cpu, self.pids()))

    def memory(self) -> int:
        """Return the bytes of memory of its processes (PSS: what is shared is divided)."""
        return sum(map(_pss, self.pids()))

    def say(self, word: str) -> str:
        """Tell detent's gateway a word and return its answer."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the server has no pipes")
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextlib.contextmanager
def running(
    contestant: Contestant, place: Place, ready: Callable[[], bool], cores: str = SERVER_CORE, workers: int = 1
) -> Iterator[Server]:
    """Start a server and end it with all its processes. `ready` asks it a real question, right answer: True."""
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    env = _environment(contestant, place, workers)
    pinned = ["taskset", "-c", cores]
    if contestant.prepare:
        subprocess.run(contestant.prepare(place), check=True, env=env, cwd=place.folder, capture_output=True)
    _wait_for_port(place.port)
    began = time.perf_counter()
    with (place.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*pinned, *contestant.command(place)], cwd=place.folder, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE if contestant.environment == "detent" else log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
    server = Server(process, place.port, 0.0)
    try:
        while not ready():
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                said = (place.folder / "log").read_text(errors="replace")[-3000:]
                raise ServerError(f"{contestant.name} did not start: {said}")
            time.sleep(0.005)
        server.cold = time.perf_counter() - began
        yield server
    finally:
        _end(server)


class ServerError(Exception):
    """A server did not start or gave a wrong answer."""


def _environment(contestant: Contestant, place: Place, workers: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    path = f"{environments.python_of(place.model.parents[1], contestant.environment).parent}:{kept['PATH']}"
    return kept | {
        "PATH": path,
        "PYTHONPATH": str(SERVERS),
        "BENCH_MODEL": str(place.model),
        "BENCH_PORT": str(place.port),
        "BENCH_MODE": contestant.mode,
        "BENCH_STATE": str(place.folder / "state"),
        "BENCH_WORKERS": str(workers),
        "BENTOML_HOME": str(place.folder),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }


def _wait_for_port(port: int) -> None:
    deadline = time.perf_counter() + 30
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError:
                if time.perf_counter() > deadline:
                    raise
        time.sleep(0.1)


def _end(server: Server) -> None:
    """SIGTERM to the first process, SIGKILL to what is still there 5 s later: all that was seen below it."""
    pids = server.pids()
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        for pid in pids[:1] if number == signal.SIGTERM else pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.perf_counter() + seconds
        while any(map(_alive, pids)) and time.perf_counter() < deadline:
            server.process.poll()
            time.sleep(0.02)
    server.process.wait()
    for pipe in (server.process.stdin, server.process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _alive(pid: int) -> bool:
    return "State:\tZ" not in _read(f"/proc/{pid}/status") and Path(f"/proc/{pid}").exists()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, _read(str(task / "children")).split())
    return found


def _cpu(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK if fields else 0.0


def _pss(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(errors="replace")
    return ""
