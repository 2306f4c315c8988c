"""The trap list: what must change a step's fingerprint, and what must not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from detent.errors import ProjectError
from detent.pipeline.fingerprint.code import Code, CodeReader

PROJECT = {
    "pipeline.py": '''
import functools
import numpy as np
import helpers
import registry
import settings as cfg
from helpers import CONST, clean as c2
from pkg import deep
from pkg.sub import thing
from detent.pipeline import step

THRESH = 0.5
ADD = functools.partial(helpers.add, 1)


def local_helper(x):
    return x * 2


def make_adder(k):
    def adder(x):
        return x + k
    return adder


plus = make_adder(3)


def deco(f):
    return f


class Model:
    lr = 0.1

    def fit(self, x):
        return inner(x)


def inner(x):
    return x + 1


@deco
@step
def train(x, k=THRESH):
    """doc"""
    # comment
    y = helpers.norm(x)
    y = c2(y) + CONST
    y = local_helper(y)
    m = Model().fit(y)
    z = deep.go(m)
    w = thing()
    r = registry.REG["a"](w)
    q = getattr(cfg, "alpha")
    from lazy import lz

    def nested(v):
        return v + plus(v) + ADD(v)

    return lz(np.mean(r)) * q + nested(z)



def unrelated():
    return 1


if __name__ == "__main__":
    print(train(1))
''',
    "helpers.py": """
import math
CONST = 3
OTHER = 9
def _deep(x): return math.sqrt(x)
def norm(x): return _deep(x)
def clean(x): return x
def add(a, b): return a + b
def not_used(x): return x
""",
    "pkg/__init__.py": 'VERSION = "1"\n',
    "pkg/deep.py": "from . import near\ndef go(x): return near.helper(x)\ndef unused(): pass\n",
    "pkg/near.py": "def helper(x): return x\n",
    "pkg/sub/__init__.py": "from .impl import thing\n",
    "pkg/sub/impl.py": "def thing(): return W\nW = 4\n",
    "registry.py": """
REG = {}
def add(n):
    def d(f):
        REG[n] = f
        return f
    return d
@add("a")
def handler(x): return x
""",
    "settings.py": "alpha = 1\nbeta = 2\n",
    "lazy.py": "def lz(x): return x\ndef lz2(x): return x\n",
    "alone.py": "def zzz(): return 1\n",
}


def read(folder: Path, files: Mapping[str, str], name: str = "train") -> Code:
    for file, text in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return CodeReader(folder).code_of([("pipeline", name)])


def edited(files: Mapping[str, str], file: str, old: str, new: str) -> dict[str, str]:
    assert files[file].count(old) == 1, f"{old!r} in {file}"
    return {**files, file: files[file].replace(old, new)}


@pytest.mark.parametrize(
    ("file", "old", "new", "blamed"),
    [
        ("pipeline.py", "helpers.norm(x)", "helpers.norm(x) + 0", "pipeline.py:train"),
        ("helpers.py", "def norm(x): return _deep(x)", "def norm(x): return _deep(x) + 1", "helpers.py:norm"),
        ("helpers.py", "math.sqrt(x)", "math.sqrt(x) + 1", "helpers.py:_deep"),
        ("helpers.py", "def clean(x): return x", "def clean(x): return x + 1", "helpers.py:clean"),
        ("helpers.py", "CONST = 3", "CONST = 4", "helpers.py:CONST"),
        ("helpers.py", "CONST = 3", "CONST = 3.0", "helpers.py:CONST"),
        ("helpers.py", "return a + b", "return a - b", "helpers.py:add"),
        ("pipeline.py", "THRESH = 0.5", "THRESH = 0.6", "pipeline.py:THRESH"),
        ("pipeline.py", "x * 2", "x * 3", "pipeline.py:local_helper"),
        ("pipeline.py", "lr = 0.1", "lr = 0.2", "pipeline.py:Model"),
        ("pipeline.py", "return inner(x)", "return inner(x) + 0", "pipeline.py:Model"),
        ("pipeline.py", "return x + 1", "return x + 2", "pipeline.py:inner"),
        ("pipeline.py", "return x + k", "return x - k", "pipeline.py:make_adder"),
        ("pipeline.py", "make_adder(3)", "make_adder(4)", "pipeline.py:plus"),
        ("pipeline.py", "return f\n", "return lambda *a: 0\n", "pipeline.py:deco"),
        ("pipeline.py", "k=THRESH", "k=THRESH + 1", "pipeline.py:train"),
        ("pkg/deep.py", "near.helper(x)", "near.helper(x) + 1", "pkg/deep.py:go"),
        ("pkg/near.py", "def helper(x): return x", "def helper(x): return -x", "pkg/near.py:helper"),
        ("pkg/sub/impl.py", "return W", "return W + 1", "pkg/sub/impl.py:thing"),
        ("pkg/sub/impl.py", "W = 4", "W = 5", "pkg/sub/impl.py:W"),
        ("registry.py", "def handler(x): return x", "def handler(x): return x + 1", "registry.py:top level"),
        ("settings.py", "alpha = 1", "alpha = 5", "settings.py:alpha"),
        ("lazy.py", "def lz(x): return x\n", "def lz(x): return x + 1\n", "lazy.py:lz"),
    ],
)
def test_an_edit_of_anything_the_step_reaches_changes_its_fingerprint(
    tmp_path: Path, file: str, old: str, new: str, blamed: str
) -> None:
    before = read(tmp_path, PROJECT).components
    after = read(tmp_path, edited(PROJECT, file, old, new)).components
    assert blamed in {name for name in {*before, *after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pipeline.py", "# comment", "# another comment"),
        ("pipeline.py", '"""doc"""', '"""another doc"""'),
        ("pipeline.py", '    """doc"""\n', ""),
        ("pipeline.py", "z = deep.go(m)", "z   =  (deep . go( m , ))"),
        ("pipeline.py", "def unrelated():\n    return 1", "def unrelated():\n    return 2"),
        ("pipeline.py", "print(train(1))", "print(train(2))"),
        ("pipeline.py", "@step\n", "@step(retries=3)\n"),
        ("helpers.py", "def not_used(x): return x", "def not_used(x): return x + 1"),
        ("helpers.py", "OTHER = 9", "OTHER = 8"),
        ("pkg/deep.py", "def unused(): pass", "def unused(): return 1"),
        ("settings.py", "beta = 2", "beta = 3"),
        ("lazy.py", "def lz2(x): return x", "def lz2(x): return x + 1"),
        ("alone.py", "return 1", "return 2"),
    ],
)
def test_an_edit_that_changes_no_result_leaves_the_fingerprint_alone(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    before = read(tmp_path, PROJECT)
    after = read(tmp_path, edited(PROJECT, file, old, new))
    assert before.components == after.components


def test_local_variables_are_not_taken_for_functions_of_the_same_name(tmp_path: Path) -> None:
    text = """
from detent.pipeline import step

@step(retries=2)
def inner(x): return x

@step
def helper(rows): return rows

def split(x): return x

def used(): return 1

@step
def train(helper, *, split):
    def nested(used): return used
    try:
        pass
    except ValueError as error:
        pass
    return [inner for inner in helper] + [split, lambda inner: inner, nested] + [error := 1, used()]

def error(): return 1
"""
    names = read(tmp_path, {"pipeline.py": text}).components
    assert sorted(names) == ["pipeline.py:train", "pipeline.py:used"]


# Each case: files, the file that is edited, old text, new text. The step is always `train` in pipeline.py.
TRAPS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "a method that is inherited": (
        {
            "pipeline.py": "from h import Base\nclass K(Base):\n    pass\ndef train(x): return K().go(x)\n",
            "h.py": "class Base:\n    def go(self, x): return x\n",
        },
        "h.py", "return x", "return x + 1",
    ),
    "a monkeypatch made when a module is imported": (
        {
            "pipeline.py": "import patch\nimport h\ndef train(x): return h.f(x)\n",
            "h.py": "def f(x): return x\n",
            "patch.py": "import h\ndef g(x): return x\nh.f = g\n",
        },
        "patch.py", "return x", "return x + 1",
    ),
    "a registration through an assigned call": (
        {
            "pipeline.py": "import plug\nfrom reg import REG\ndef train(x): return REG['a'](x)\n",
            "reg.py": "REG = {}\ndef put(n, f):\n    REG[n] = f\n    return f\n",
            "plug.py": "from reg import put\ndef g(x): return x\n_ = put('a', g)\n",
        },
        "plug.py", "return x", "return x + 1",
    ),
    "a registration by subclassing": (
        {
            "pipeline.py": "import plug\nfrom reg import Base\ndef train(x): return Base.known[0]().go(x)\n",
            "reg.py": "class Base:\n    known = []\n    def __init_subclass__(cls): Base.known.append(cls)\n",
            "plug.py": "import reg\nclass P(reg.Base):\n    def go(self, x): return x\n",
        },
        "plug.py", "return x", "return x + 1",
    ),
    "a star import": (
        {"pipeline.py": "from h import *\ndef train(x): return f(x)\n", "h.py": "def f(x): return x\n"},
        "h.py", "return x", "return x + 1",
    ),
    "a table of functions": (
        {
            "pipeline.py": "import h\nTABLE = {'a': h.f}\ndef train(x): return TABLE['a'](x)\n",
            "h.py": "def f(x): return x\n",
        },
        "h.py", "return x", "return x + 1",
    ),
    "a list filled at the top level": (
        {
            "pipeline.py": "import h\nL = []\nL.append(h.f)\ndef train(x): return L[0](x)\n",
            "h.py": "def f(x): return x\n",
        },
        "h.py", "return x", "return x + 1",
    ),
    "a constant built in two steps": (
        {"pipeline.py": "A = 1\nA += 2\ndef train(x): return A\n"},
        "pipeline.py", "A += 2", "A += 3",
    ),
    "a dotted import": (
        {"pipeline.py": "import p.a\ndef train(x): return p.a.f(x)\n", "p/a.py": "def f(x): return x\n"},
        "p/a.py", "return x", "return x + 1",
    ),
    "a conditional import": (
        {
            "pipeline.py": "try:\n    from fast import f\nexcept ImportError:\n    from slow import f\n"
            "def train(x): return f(x)\n",
            "slow.py": "def f(x): return x\n",
        },
        "slow.py", "return x", "return x + 1",
    ),
    "a method of an object that a function returns": (
        {
            "pipeline.py": "import h\ndef train(x): return h.make().run(x)\n",
            "h.py": "class C:\n    def run(self, x): return x\ndef make(): return C()\n",
        },
        "h.py", "return x", "return x + 1",
    ),
    "a function handed to another one": (
        {"pipeline.py": "import h\ndef train(x): return x.apply(h.f)\n", "h.py": "def f(x): return x\n"},
        "h.py", "return x", "return x + 1",
    ),
    "a module used as a value": (
        {"pipeline.py": "import h\ndef train(x): return dir(h)\n", "h.py": "def f(x): return x\n"},
        "h.py", "def f", "def g",
    ),
    "a computed attribute of a module": (
        {"pipeline.py": "import h\ndef train(x): return getattr(h, x)()\n", "h.py": "def f(): return 1\n"},
        "h.py", "return 1", "return 2",
    ),
    "a computed attribute of something unknown": (
        {"pipeline.py": "class A:\n    def f(self): return 1\ndef train(x): return getattr(x, x.name)()\n"},
        "pipeline.py", "return 1", "return 2",
    ),
    "eval": (
        {"pipeline.py": "import h\ndef train(x): return eval('h.f()')\n", "h.py": "def f(): return 1\n"},
        "h.py", "return 1", "return 2",
    ),
    "globals": (
        {"pipeline.py": "def f(): return 1\ndef train(x): return globals()['f']()\n"},
        "pipeline.py", "return 1", "return 2",
    ),
    "a constant import_module": (
        {
            "pipeline.py": "import importlib\ndef train(x): return importlib.import_module('h').f()\n",
            "h.py": "def f(): return 1\n",
        },
        "h.py", "return 1", "return 2",
    ),
    "a computed import_module": (
        {
            "pipeline.py": "from importlib import import_module as im\ndef train(x): return im(x).f()\n",
            "h.py": "def f(): return 1\n",
        },
        "h.py", "return 1", "return 2",
    ),
    "a computed __import__": (
        {"pipeline.py": "def train(x): return __import__(x).f()\n", "h.py": "def f(): return 1\n"},
        "h.py", "return 1", "return 2",
    ),
    "a name that a module makes on demand": (
        {
            "pipeline.py": "import h\ndef train(x): return h.f\n",
            "h.py": "def __getattr__(name): return {'f': 1}[name]\n",
        },
        "h.py", "'f': 1", "'f': 2",
    ),
    "a docstring that is read": (
        {"pipeline.py": "def prompt():\n    '''Say hello'''\ndef train(x): return prompt.__doc__\n"},
        "pipeline.py", "Say hello", "Say goodbye",
    ),
    "source that is read": (
        {"pipeline.py": "import inspect\ndef f():\n    # one\n    pass\ndef train(x): return inspect.getsource(f)\n"},
        "pipeline.py", "# one", "# two",
    ),
    "a global variable that shares its name with a loop variable": (
        {"pipeline.py": "N = 1\ndef train(x): return [N for y in x] + [N for N in x]\n"},
        "pipeline.py", "N = 1", "N = 2",
    ),
    "a global variable that is declared": (
        {"pipeline.py": "N = 1\ndef train(x):\n    global N\n    N = N + x\n    return N\n"},
        "pipeline.py", "N = 1", "N = 2",
    ),
    "a class attribute that copies a constant": (
        {"pipeline.py": "N = 1\nclass C:\n    N = N\ndef train(x): return C.N\n"},
        "pipeline.py", "N = 1", "N = 2",
    ),
    "a seed set at import": (
        {"pipeline.py": "import random\nimport h\nrandom.seed(1)\ndef train(x): return random.random()\n", "h.py": ""},
        "pipeline.py", "seed(1)", "seed(2)",
    ),
    "a default made at the top level": (
        {"pipeline.py": "import h\ndef train(x, y=h.f()): return y\n", "h.py": "def f(): return 1\n"},
        "h.py", "return 1", "return 2",
    ),
    "a function with the name of a decorator of ours": (
        {"pipeline.py": "def step(f): return f\n@step\ndef train(x): return x\n"},
        "pipeline.py", "return f", "return lambda x: 0",
    ),
    "a step made by a factory": (
        {
            "pipeline.py": "from detent.pipeline import step\ndef make(k):\n    @step\n    def run(x): return x * k\n"
            "    return run\n"
            "train = make(3)\n"
        },
        "pipeline.py", "x * k", "x + k",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
def test_the_fingerprint_follows(tmp_path: Path, name: str) -> None:
    files, file, old, new = TRAPS[name]
    before = read(tmp_path, files).components
    assert read(tmp_path, edited(files, file, old, new)).components != before


def test_what_is_not_used_is_not_reached(tmp_path: Path) -> None:
    names = read(tmp_path, PROJECT).components
    assert "pipeline.py:unrelated" not in names
    assert not any(name.startswith("alone.py") for name in names)


def test_the_fingerprint_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    one, two = read(tmp_path / "one", PROJECT), read(tmp_path / "two", PROJECT)
    assert one == two


def test_imported_packages_count_with_their_version_and_the_standard_library_with_pythons(tmp_path: Path) -> None:
    environment = read(tmp_path, PROJECT).environment
    assert set(environment) == {"python", "detent", "numpy"}
    assert environment["numpy"].count(".") == 2
    sklearn = read(tmp_path, {"pipeline.py": "import sklearn.linear_model as lm\ndef train(x): return lm.X\n"})
    assert sklearn.environment["sklearn"][0].isdigit()
    absent = read(tmp_path, {"pipeline.py": "import no_such_package\ndef train(x): return no_such_package.f()\n"})
    assert absent.environment["no_such_package"] == "absent"


def test_a_package_without_a_distribution_counts_with_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = tmp_path / "elsewhere"
    loose.mkdir()
    (loose / "loose_package_of_a_test.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(loose))
    files = {"pipeline.py": "import loose_package_of_a_test as l\ndef train(x): return l.X\n"}
    before = read(tmp_path / "project", files).environment
    (loose / "loose_package_of_a_test.py").write_text("X = 2\n")
    assert read(tmp_path / "project", files).environment != before


def test_a_file_edited_since_is_named(tmp_path: Path) -> None:
    code = read(tmp_path, PROJECT)
    reader = CodeReader(tmp_path)
    assert reader.edited(code.files) is None
    (tmp_path / "helpers.py").write_text("# gone")
    assert reader.edited(code.files) == "helpers.py"
    (tmp_path / "helpers.py").unlink()
    assert reader.edited(code.files) == "helpers.py"
    assert "alone.py" not in code.files


def test_a_file_that_is_no_python_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, {"pipeline.py": "import h\ndef train(x): return h.f\n", "h.py": "x = 1\ndef f(:\n"})
    assert caught.value.where is not None
    assert (Path(caught.value.where.file).name, caught.value.where.line) == ("h.py", 2)
