"""Prefect 3. By default its keys hold the run's id, so it never hits across runs; the listed way is the documented one.

It starts a temporary server at each run, or uses one that runs already.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import measure
from tool import HEAD, REPORT, Place, Tool

import project as projects
from project import Project, Step, Writer

POLICY = '''from __future__ import annotations

import hashlib
import os
from pathlib import Path

from prefect.cache_policies import INPUTS, TASK_SOURCE, CacheKeyFnPolicy, CachePolicy


def listed(files: list[str], env: list[str]) -> CachePolicy:
    """The inputs, the task's source, and the files and environment variables that somebody lists."""

    def key(_context: object, _parameters: object) -> str:
        found = hashlib.sha256(repr([os.environ.get(name) for name in env]).encode())
        for name in files:
            found.update(Path(name).read_bytes())
        return found.hexdigest()

    return INPUTS + TASK_SOURCE + CacheKeyFnPolicy(cache_key_fn=key)
'''
FLOW = """from prefect import flow

{imports}
params = json.loads(Path("params.json").read_text())


@flow
def main():
{calls}    return {result}


if __name__ == "__main__":
    answer = main()
"""


class Prefect(Tool):
    environment = "prefect"

    def __init__(self, listed: bool, server: bool) -> None:
        self.name = ("Prefect, files listed" if listed else "Prefect") + (", server running" if server else "")
        self.listed = listed
        self.caches = listed
        self.server = server
        self.api = ""

    def make(self, project: Project, place: Place) -> Writer:
        writer = Writer(place.folder)
        used = "from policy import listed\nfrom prefect import task\n" if self.listed else "from prefect import task\n"
        projects.write(project, writer, self.decorate, used)
        if self.listed:
            writer.write("policy.py", POLICY)
        flow = FLOW.format(imports=projects.imports(project), calls=projects.calls(project), result=project.result)
        writer.write("flow.py", HEAD + flow + REPORT)
        return writer

    def decorate(self, step: Step) -> str:
        if not self.listed:
            return "@task\n"
        return f"@task(persist_result=True, cache_policy=listed({list(step.listed)}, {list(step.env)}))\n"

    def command(self, report: bool) -> Sequence[str]:
        return ["python", "flow.py", *(["--report"] if report else [])]

    def settings(self, place: Place) -> Mapping[str, str]:
        ours = {
            "PREFECT_HOME": str(place.home / "prefect"),
            "PREFECT_LOCAL_STORAGE_PATH": str(place.home / "results"),
            "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
        return {**ours, "PREFECT_API_URL": self.api} if self.api else ours

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        return [place.home / "results"], []

    @contextlib.contextmanager
    def serving(self, place: Place) -> Iterator[None]:
        if not self.server:
            yield
            return
        place.home.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (place.home / "server.txt").open("wb") as output:
            command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
            server = subprocess.Popen(command, cwd=place.home, env=self.variables(place), stdout=output, stderr=output)
        measure.KEPT.add(server.pid)
        self.api = f"http://127.0.0.1:{port}/api"
        try:
            wait_until_healthy(f"{self.api}/health", 60)
            yield
        finally:
            self.api = ""
            measure.KEPT.discard(server.pid)
            measure.kill_tree(server.pid)
            server.wait()


def wait_until_healthy(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
