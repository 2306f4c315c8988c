"""The command line as people use it: real processes, and the same program inside this one where many calls are made."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from detent.cli.main import main

ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}


def detent(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "detent.cli.main", *words], cwd=cwd, capture_output=True, text=True, timeout=180
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command did."""

    status: int
    out: str
    err: str


class Shop:
    """A project whose commands are run inside this process: no interpreter starts for each."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self._patch, self._capture = folder, patch, capture

    def detent(self, *words: str) -> Said:
        """Run a command; its exit status and what it printed come back."""
        self._patch.setattr(sys, "argv", ["detent", "-C", str(self.folder), *words])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        told = self._capture.readouterr()
        return Said(status=status, out=told.out, err=told.err)

    def declare(self, old: str, new: str) -> None:
        """Replace a piece of detent.yaml."""
        file = self.folder / "detent.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


class Up:
    """A running `detent up`, as a process of its own; it is ended with the block."""

    def __init__(self, folder: Path, *words: str, **how: object) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "detent.cli.main", "up", "--port", "0", *words],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how,  # type: ignore[call-overload]
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Up:
        self._reader.start()
        wait_until(lambda: self.said("metrics") or self.process.poll() is not None)
        assert self.process.poll() is None, self.lines
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._reader.join()

    @property
    def address(self) -> str:
        found = re.search(r"http://\S+", self.lines[0])
        assert found is not None, self.lines
        return found[0]

    def said(self, part: str) -> str | None:
        """Return the first line with a text in it."""
        return next((line for line in self.lines if part in line), None)

    def workers(self) -> set[int]:
        """Return the process ids of what answers."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")  # a process is the child of a thread
        mine = [int(pid) for task in tasks for pid in task.read_text().split()]
        return {pid for pid in mine if b"serving_entry" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def predict(self, entity: str, **changes: object) -> dict[str, object]:
        """Ask for one prediction on a connection of its own."""
        body = json.dumps({"inputs": [{**ROW, **changes}], "entities": [entity]}).encode()
        request = urllib.request.Request(f"{self.address}/v1/models/shop:predict", body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["predictions"][0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())


def wait_until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
