"""Hosts as people run them: `detent up` and `detent serve` as processes of their own, and callers who ask them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = "key of the tests"  # DETENT_API_KEY, where it is set
ROW = {"channel": "web", "category": "shoes", "price": 30.0, "discount": 0.1, "items": 2, "hour": 9, "weekday": 3}


class HostProcess:
    """A running `detent up` or `detent serve` in a folder; it is ended with the block."""

    def __init__(self, command: str, folder: Path) -> None:
        self.folder, self.lines = folder, list[str]()
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "detent.cli.main", command, "--port", "0"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
        self._reader.join()

    def wait(self) -> None:
        """Return when it answers."""
        wait_until(lambda: self.said("metrics") or self.process.poll() is not None, timeout=120)
        assert self.process.poll() is None, self.lines

    @property
    def address(self) -> str:
        """Where it answers."""
        return self._url("serving ")

    def said(self, part: str) -> str | None:
        """Return the first line with a text in it."""
        return next((line for line in self.lines if part in line), None)

    def workers(self) -> list[int]:
        """Return the process ids of what answers."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")  # a process is the child of a thread
        mine = [int(pid) for task in tasks for pid in task.read_text().split()]
        return [pid for pid in mine if b"serving_entry" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def stand_still(self) -> None:
        """Stop every process of the host, as a machine that was cut off."""
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        for pid in (self.process.pid, *self.workers()):
            os.kill(pid, signal.SIGCONT)

    def predict(self, *, key: str = KEY, entity: str = "somebody", **changes: object) -> dict[str, object]:
        """Ask for one prediction on a connection of its own."""
        body = json.dumps({"inputs": [{**ROW, **changes}], "entities": [entity]}).encode()
        with _asked(f"{self.address}/v1/models/shop:predict", body, key) as answer:
            return json.load(answer)["predictions"][0]

    def version(self) -> object:
        """Return which version answers."""
        return self.predict()["version"]

    def label(self, prediction: object) -> int:
        """Send what was true about a prediction; return the status of the answer."""
        body = json.dumps({"labels": [{"prediction_id": prediction, "value": 1}]}).encode()
        try:
            with _asked(f"{self.address}/feedback", body, KEY) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def gauge(self, name: str) -> float | None:
        """Return a number on its page of metrics; None when it is not there."""
        metrics = self._url("metrics")
        with _asked(metrics, None, KEY) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        return None if found is None else float(found[1])

    def _url(self, line: str) -> str:
        found = re.search(r"http://\S+", self.said(line) or "")
        assert found is not None, self.lines
        return found[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())


def _asked(url: str, body: bytes | None, key: str) -> Any:
    request = urllib.request.Request(url, body, {"authorization": f"Bearer {key}"})
    return urllib.request.urlopen(request, timeout=30)


class Load:
    """Callers who ask each host some fifty times a second until the block ends, each on a connection of its own."""

    def __init__(self, *hosts: HostProcess) -> None:
        self.failures: list[Exception] = []
        self.answers = {id(host): 0 for host in hosts}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(host,)) for host in hosts]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 20) -> None:
        """Wait until every host has answered so many more requests, or one has failed."""
        goals = {host: number + count for host, number in self.answers.items()}
        wait_until(lambda: self.failures or all(self.answers[host] >= goal for host, goal in goals.items()))

    def _call(self, host: HostProcess) -> None:
        while not self._ended.wait(0.02):
            try:
                host.predict()
                self.answers[id(host)] += 1
            except OSError as error:  # refused, reset, or a status that is no 200
                self.failures.append(error)


def wait_until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
