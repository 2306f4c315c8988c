"""How tests get the programs they run: nothing is installed, a line says what is missing, and it ends in time."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import programs
from programs import WANTED, Apt, Unfetched

APT = """#!/bin/sh
for word; do
    case $word in
        Dir::State::lists=*) lists=${word#*=} ;;
        Dir::Cache=*) cache=${word#*=} ;;
        update) : > "$lists/server_Packages"; exit ;;
        install | download) wanted=1 ;;
        chromium-*) : ;;
        prometheus) cp "$0.deb" "$cache/archives/prometheus_1.deb"; exit ;;
        *) [ -z "$wanted" ] || { echo "E: Unable to locate package $word"; exit 100; } ;;
    esac
done
echo "E: 404 Not Found"; exit 100
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "machine").mkdir()
    shutil.copy(programs.__file__, tmp_path / "tests")
    return tmp_path


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def fetch(checkout: Path, *more: Path) -> tuple[int, list[str]]:
    """Run it on a machine that has nothing but what is in `machine` and in the folders given."""
    path = os.pathsep.join(str(folder) for folder in (checkout / "machine", *more))
    words = [sys.executable, str(checkout / "tests" / "programs.py")]
    done = subprocess.run(words, env={"PATH": path}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


def test_without_apt_get_one_line_says_which_tests_are_skipped_and_a_second_try_would_bring_nothing(checkout):
    code, (begun, said) = fetch(checkout)
    assert code == 0
    assert begun.startswith("fetching chromium-headless-shell, prometheus, ")
    assert said.startswith("tests of pages on a phone, rules for Prometheus, ")
    assert "there is no apt-get" in said
    assert "apt-get install chromium-headless-shell prometheus " in said
    assert not (checkout / ".tools").exists()


def test_without_a_network_the_next_run_tries_again(checkout):
    for name in ("apt-get", "dpkg-deb"):
        program(checkout / "machine", name)
    code, (_, said) = fetch(checkout)
    assert code == 1
    assert "apt-get reaches no server of packages" in said
    assert not (checkout / ".tools" / "apt").exists()


def test_a_machine_that_has_all_of_it_says_nothing(checkout):
    for wanted in WANTED:
        if wanted.names:
            program(checkout / "machine", wanted.names[-1])
        else:
            path = checkout / ".tools" / "root" / wanted.file
            path.parent.mkdir(parents=True)
            path.touch()
    assert fetch(checkout) == (0, [])


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="only Debian's machines have packages")
def test_what_there_is_gets_unpacked_and_the_rest_is_named_with_the_reasons(checkout):
    content = checkout / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN" / "control").write_text(
        "Package: prometheus\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: d\n"
    )
    (content / "usr" / "bin").mkdir(parents=True)
    program(content / "usr" / "bin", "promtool", "#!/bin/sh\necho $1 $LD_LIBRARY_PATH\n")
    (content / "usr" / "lib" / "x86_64-linux-gnu").mkdir(parents=True)
    fake = program(checkout / "machine", "apt-get", APT)
    words = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(content), f"{fake}.deb"]
    subprocess.run(words, check=True, capture_output=True)
    for name in ("dpkg-deb", "cp", "tar", "gzip"):
        (checkout / "machine" / name).symlink_to(str(shutil.which(name)))
    code, (_, said) = fetch(checkout)
    assert code == 1, "another day, 404 may be found"
    assert said.startswith("tests of pages on a phone, a real Alertmanager, ")
    assert "404 Not Found; " in said
    assert "Unable to locate package prometheus-alertmanager" in said
    promtool = checkout / ".tools" / "bin" / "promtool"
    answer = subprocess.run([promtool, "check"], capture_output=True, text=True, check=True).stdout
    assert answer == f"check {checkout / '.tools' / 'root' / 'usr' / 'lib' / 'x86_64-linux-gnu'}\n"


def has_ended(pid: int) -> bool:
    """Wait at most 30 seconds for a process that was killed: SIGKILL is answered once it runs again."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 30)[0])
    finally:
        os.close(handle)


def test_what_takes_too_long_is_ended_with_its_children(tmp_path):
    apt = Apt(tmp_path, seconds=0.3)
    mark = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(Unfetched, match="too long") as caught:
        apt.run(["sh", "-c", f"sleep 100 & echo $! > {mark}; wait"])
    assert caught.value.again
    assert time.monotonic() - began < 30
    if mark.exists():  # else the shell was ended before it had a child
        assert has_ended(int(mark.read_text()))
