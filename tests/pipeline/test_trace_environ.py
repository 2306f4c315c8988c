"""Which variables a step reads, without their values ever leaving the process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from trace_worker import Worker, reads


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    environment = {"APP_MODE": "fast", "API_TOKEN": "hush-hush", "GITHUB_SHA": "abc", "SSH_TTY": "/dev/pts/1"}
    with Worker(environment=environment) as running:
        yield running


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.environ['APP_MODE']",
        "import os; os.environ.get('APP_MODE')",
        "import os; os.getenv('APP_MODE')",
        "import os; os.getenvb(b'APP_MODE')",
        "import os; 'APP_MODE' in os.environ",
        "from os import environ; environ.setdefault('APP_MODE', 'x')",
        "from early import environ; environ['APP_MODE']",
    ],
)
def test_each_way_to_read_a_variable_is_seen(code: str, worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("from os import environ\n")
    assert set(reads(worker.step(code, tmp_path, before="import early"), "env")) == {"APP_MODE"}


def test_a_variable_that_is_not_set_is_a_read_without_a_digest(worker: Worker, tmp_path: Path) -> None:
    assert reads(worker.step("import os; os.environ.get('NOT_SET')", tmp_path), "env") == {"NOT_SET": ""}


def test_values_are_known_by_a_digest_that_needs_the_key(worker: Worker, tmp_path: Path) -> None:
    code = "import os; os.environ['API_TOKEN']"
    one = worker.step(code, tmp_path, key="one")
    other = worker.step(code, tmp_path, key="other")
    assert reads(one, "env")["API_TOKEN"] != reads(other, "env")["API_TOKEN"]
    assert reads(one, "env") == reads(worker.step(code, tmp_path, key="one"), "env")
    assert "hush" not in str(one)


def test_a_copy_for_a_child_counts_what_is_no_noise_of_the_session(worker: Worker, tmp_path: Path) -> None:
    for copy in (
        "os.environ.copy()",
        "dict(os.environ)",
        "{**os.environ}",
        "os.environ | {}",
        "list(os.environ.items())",
    ):
        found = reads(worker.step(f"import os; {copy}", tmp_path), "env")
        assert {"APP_MODE", "API_TOKEN"} <= set(found), copy
        assert not {"GITHUB_SHA", "SSH_TTY", "PATH", "HOME"} & set(found), copy
    found = reads(worker.step("import os; dict(os.environ); os.environ['GITHUB_SHA']", tmp_path), "env")
    assert "GITHUB_SHA" in found


def test_what_the_step_set_itself_is_no_read_and_reaches_children(worker: Worker, tmp_path: Path) -> None:
    code = """
import os, subprocess
os.environ['MINE'] = '1'; os.environ['MINE']
os.putenv('RAW', '2')
show = ['sh', '-c', 'echo $MINE$RAW$APP_MODE']
value = [subprocess.run(show, capture_output=True, text=True).stdout]
del os.environ['MINE']; os.unsetenv('RAW'); os.environ.get('MINE')
value.append(subprocess.run(show, capture_output=True, text=True).stdout)
"""
    answer = worker.step(code, tmp_path)
    assert reads(answer, "env") == {}
    assert answer["value"] == ["12fast\n", "fast\n"]


def test_the_environment_behaves_as_before(worker: Worker, tmp_path: Path) -> None:
    code = """
import os
from collections.abc import MutableMapping
assert isinstance(os.environ, MutableMapping) and isinstance(os.environ, os._Environ)
assert dict(os.environ) == {k: v for k, v in os.environ.items()} == os.environ.copy()
assert len(os.environ) == len(list(os.environ)) == len(os.environ.values())
os.environ['A'] = 'b'; assert os.environb[b'A'] == b'b' and os.environ.pop('A') == 'b' and 'A' not in os.environ
for bad in (1, None):
    try: os.environ['A'] = bad
    except TypeError: pass
    else: raise SystemExit
try: os.environ['GONE']
except KeyError as error: assert error.args == ('GONE',)
try: del os.environ['GONE']
except KeyError: pass
assert 'APP_MODE' in repr(os.environ)
assert os.environ == dict(os.environ) and os.environ.get('GONE', 7) == 7
"""
    assert worker.step(code, tmp_path)["error"] == ""


def test_noise_of_the_machine_is_not_noted(worker: Worker, tmp_path: Path) -> None:
    code = "import os\nfor name in ('PATH', 'HOME', 'LC_ALL', 'TERM', 'TMPDIR', 'PYTHONPATH'): os.environ.get(name)"
    assert reads(worker.step(code, tmp_path), "env") == {}


def test_what_an_earlier_step_set_in_the_process_did_not_come_from_outside(worker: Worker, tmp_path: Path) -> None:
    assert not worker.step("import os; os.environ.setdefault('SET_ONCE', 'random')", tmp_path)["error"]
    found = reads(worker.step("import os; os.environ.copy(); os.environ['SET_ONCE']", tmp_path), "env")
    assert "SET_ONCE" not in found
    assert "APP_MODE" in found
