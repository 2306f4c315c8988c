"""A worker process whose steps are traced. Tests send it pieces of code; run as a script, it is the worker.

What a tracer or a restriction sets up stays for good, so it can't be set up in the process of the tests.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import detent

SOURCES = str(Path(next(iter(detent.__path__))).parent)


class Worker:
    """Starts the process; `step` runs code in it and returns what was observed."""

    def __init__(self, mode: str = "first", environment: dict[str, str] | None = None) -> None:
        # The environment of the tests holds much that is nobody's business here.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, __file__, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, **(environment or {}), "PYTHONPATH": SOURCES},
            text=True,
        )
        self.means: str = self._answer()["means"]

    def step(self, code: str, folder: Path, **options: Any) -> dict[str, Any]:
        """Run code in a project folder. Options: ignore, key, sources, before (code run outside of the step)."""
        return self.ask({"code": code, "folder": str(folder), **options})

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"the worker ended: {self.process.wait(20)}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def reads(answer: dict[str, Any], *kinds: str) -> dict[str, str]:
    """Return names and digests of an answer's reads of these kinds; raise when the code failed."""
    assert not answer["error"], answer["error"]
    return {name: digest for kind, name, digest in answer["reads"] if kind in (kinds or ("file",))}


WORK: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
DONE: queue.SimpleQueue[Any] = queue.SimpleQueue()


def _repeat() -> None:
    """A thread that is older than the tracer."""
    while True:
        DONE.put(WORK.get()())


def _main() -> None:
    from detent.errors import DetentError
    from detent.pipeline.trace import landlock
    from detent.pipeline.trace.nursery import open_nursery
    from detent.pipeline.trace.reads import to_json
    from detent.pipeline.trace.tracer import Tracer
    from detent.project.sources import import_sources_of

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if sys.argv[1] == "nursery":
        open_nursery()
    if sys.argv[1] == "threads":
        threading.Thread(target=_repeat, daemon=True).start()
    tracer = Tracer()
    if sys.argv[1] == "second":
        tracer = Tracer()  # the kernel allows one listener, so this one has to do without
    print(json.dumps({"means": tracer.means}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        folder = Path(request["folder"])
        os.chdir(folder)
        import_sources_of(folder.resolve())
        error, values = (
            "",
            {
                "tracer": tracer,
                "landlock": landlock,
                "Path": Path,
                "DetentError": DetentError,
                "WORK": WORK,
                "DONE": DONE,
            },
        )
        exec(request.get("before", ""), values)
        try:
            tracer.begin(
                folder,
                [Path(path) for path in request.get("ignore", ())],
                key=request.get("key", "k").encode(),
                sources=request.get("sources", ()),
            )
            try:
                exec(compile(request["code"], "<step>", "exec"), values)
            except BaseException:  # noqa: BLE001  (the tests look at it)
                error = traceback.format_exc()
            found = tracer.end()
        except DetentError as failure:
            print(json.dumps({"error": str(failure), "code": failure.code}), file=answers, flush=True)
            continue
        answer = {
            "error": error,
            "reads": to_json(found.reads),
            "value": values.get("value"),
            **{
                name: getattr(found, name)
                for name in ("writes", "connections", "children", "unstable", "refused", "unseen", "means")
            },
        }
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _main()
