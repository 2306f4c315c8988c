"""Programs that tests run and no Python package brings: Debian packages, unpacked in `.tools` beside the tests.

`python tests/programs.py` fetches what this machine lacks. `apt-get` only downloads, with lists and a cache of its own:
that takes no root, changes nothing outside `.tools`, and starts no daemon. Without `apt-get` or without a network it
says which tests will be skipped, and how to get them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".tools"
ROOT, BIN = FOLDER / "root", FOLDER / "bin"
SECONDS = 300  # for all of it; 40 s are usual
OWN_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), str(BIN)])  # the machine's own programs come first


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A program or a file that tests look for, and the package that has it."""

    package: str
    beside: tuple[str, ...] = ()  # packages whose files must lie beside it, though the machine has them
    alone: bool = False  # it runs without the other packages that its own asks for
    file: str  # in the package
    tests: str  # what is skipped without it
    names: tuple[str, ...] = ()  # of the program, any of them; none: it is a file that is read
    proof: tuple[str, ...] = ()  # arguments with which the program shows that it runs
    only_root: bool = False  # others skip these tests anyway
    shared: bytes = b""  # the folder under /usr that it reads; its path is compiled into the program

    def is_here(self) -> bool:
        if self.only_root and os.geteuid():
            return True
        if not self.names:
            return Path("/", self.file).exists() or (ROOT / self.file).exists()
        return any(shutil.which(name, path=OWN_PATH) for name in self.names)


_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
_DRAW = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "data:text/html,drawn")
WANTED = (
    Wanted(names=_BROWSERS, package="chromium-headless-shell", beside=("chromium-common",),
           file="usr/lib/chromium/chromium-headless-shell", proof=_DRAW, tests="pages on a phone"),
    Wanted(names=("promtool",), package="prometheus", alone=True, file="usr/bin/promtool", proof=("--version",),
           tests="rules for Prometheus"),
    Wanted(names=("prometheus-alertmanager",), package="prometheus-alertmanager", alone=True,
           file="usr/bin/prometheus-alertmanager", proof=("--version",), tests="a real Alertmanager",
           shared=b"share/prometheus/"),
    Wanted(names=("mkfs.btrfs",), package="btrfs-progs", file="sbin/mkfs.btrfs", proof=("--version",),
           tests="disks that share blocks", only_root=True),
    Wanted(package="linux-libc-dev", file="usr/include/asm-generic/unistd.h", tests="numbers of system calls"),
)  # fmt: skip


class Unfetched(Exception):
    """Why a program could not be had; `again` if another day may be better."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Apt:
    """`apt-get` with lists and a cache of its own, until a deadline."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._lists, self._cache = folder / "lists", folder / "cache"
        self.archives = self._cache / "archives"
        for place in (self._lists, self.archives):
            (place / "partial").mkdir(parents=True, exist_ok=True)
        settings = (
            f"Dir::State::lists={self._lists}", f"Dir::Cache={self._cache}", "Debug::NoLocking=1",
            "APT::Sandbox::User=root", "Acquire::Languages=none", "Acquire::Retries=1", "Acquire::http::Timeout=15",
            "Acquire::https::Timeout=15",
        )  # fmt: skip
        self._words = ["apt-get", "-qq", *(word for setting in settings for word in ("-o", setting))]

    def update(self) -> None:
        self.run([*self._words, "update"])  # it fails for one bad source among good ones: only the lists count
        if not any(self._lists.glob("*_Packages*")):
            raise Unfetched("apt-get reaches no server of packages", again=True)

    def download(self, wanted: Wanted) -> list[Path]:
        """Return the packages' files and those of the libraries that this machine lacks."""
        verb = ["-y", "--download-only", "--no-install-recommends", "--reinstall", "install"]
        code, said = self.run([*self._words, *(["download"] if wanted.alone else verb), wanted.package, *wanted.beside])
        if code:
            unknown = "Unable to locate" in said or "no installation candidate" in said
            why = said.strip().rpartition("\n")[2].removeprefix("E: ")
            raise Unfetched(why or f"apt-get ended with {code}", again=not unknown)
        return [path for path in self.archives.glob("*.deb") if not path.name.startswith("libc6_")]  # it has to be ours

    def run(self, words: list[str]) -> tuple[int, str]:
        """Return the exit status and all that was said; who is late is ended, with its children."""
        process = subprocess.Popen(
            words, cwd=self.archives, env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Unfetched("it took too long", again=True) from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return process.returncode, said


def fetch(wanted: Wanted, apt: Apt) -> None:
    """Unpack it and put a script into `BIN` that starts it with the libraries unpacked beside it."""
    for path in apt.download(wanted):
        code, said = apt.run(["dpkg-deb", "--extract", str(path), str(ROOT)])
        if code:
            raise Unfetched(said.strip(), again=True)
        path.unlink()
    if not wanted.names:
        return
    if wanted.shared:  # read where the package was unpacked: a path of as many bytes, from the folder it is started in
        program = ROOT / wanted.file
        program.write_bytes(program.read_bytes().replace(b"/usr/" + wanted.shared, b"././/" + wanted.shared))
    BIN.mkdir(exist_ok=True)
    script = BIN / ".new"
    script.write_text(_script(ROOT / wanted.file, ROOT / "usr" if wanted.shared else None), encoding="utf-8")
    script.chmod(0o755)
    code, said = apt.run([str(script), *wanted.proof])
    if code:
        raise Unfetched(f"{wanted.package} does not run here: {said.strip()[-200:] or code}", again=False)
    script.rename(BIN / Path(wanted.file).name)


def _script(program: Path, folder: Path | None) -> str:
    """Return what starts a program, in a folder if one is given, with what was unpacked with it: libraries, fonts."""
    folders = [path for place in ("usr/lib", "lib") for path in sorted((ROOT / place).glob("*-linux-gnu*"))]
    folders += [path for folder in folders if (path := folder / "pulseaudio").is_dir()]
    places = (ROOT / "usr/share/fonts", Path("/usr/share/fonts"))
    fonts = FOLDER / "fonts.conf"
    listed = "".join(f"<dir>{place}</dir>" for place in places)
    fonts.write_text(f"<fontconfig>{listed}<cachedir>{FOLDER / 'fonts'}</cachedir></fontconfig>\n", encoding="utf-8")
    libraries = ":".join(str(folder) for folder in folders)
    moved = "" if folder is None else f"cd '{folder}'\n"
    return f"""#!/bin/sh
{moved}export LD_LIBRARY_PATH='{libraries}' FONTCONFIG_FILE='{fonts}'
exec '{program}' "$@"
"""


def browser() -> str | None:
    """Return the path of a Chromium."""
    return next((path for name in _BROWSERS if (path := shutil.which(name, path=OWN_PATH))), None)


def main() -> int:
    """Return 0 when there is nothing more to be had, 1 when another try may bring more."""
    missing = [wanted for wanted in WANTED if not wanted.is_here()]
    if not missing:
        return 0
    sys.stderr.write(f"fetching {', '.join(wanted.package for wanted in missing)} for the tests, into .tools\n")
    failed: dict[Wanted, Unfetched] = {}
    try:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise Unfetched("there is no apt-get", again=False)
        ROOT.mkdir(parents=True, exist_ok=True)
        apt = Apt(FOLDER / "apt", seconds=SECONDS)
        apt.update()
        for wanted in missing:
            try:
                fetch(wanted, apt)
            except Unfetched as error:
                failed[wanted] = error
    except Unfetched as error:
        failed = dict.fromkeys(missing, error)
    finally:
        shutil.rmtree(FOLDER / "apt", ignore_errors=True)
    if failed:
        tests = ", ".join(wanted.tests for wanted in failed)
        packages = " ".join(wanted.package for wanted in failed)
        why = "; ".join(sorted({str(error) for error in failed.values()}))
        sys.stderr.write(f"tests of {tests} will be skipped ({why}); on Debian: apt-get install {packages}\n")
    return int(any(error.again for error in failed.values()))


if __name__ == "__main__":
    sys.exit(main())
