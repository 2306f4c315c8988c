"""What a fingerprint looks like, what its texts keep, which files it reads, and how it is kept on disk.

What it must and must not notice stands in test_traps.py and test_fingerprint_fuzz.py, packages in test_environment.py.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from code_project import differences, read, result, write
from random_project import Maker

from detent.errors import ProjectError
from detent.pipeline.fingerprint.code import CodeReader
from detent.pipeline.fingerprint.read import read_sheet

PROJECT = {
    "pipeline.py": """
import helpers
from detent.pipeline import step
from helpers import clean as c2

LIMIT = 0.5

@step(retries=2)
def train(x, k=LIMIT):
    '''Train.'''
    return c2(helpers.norm(x)) + k

def unrelated(): return 1
""",
    "helpers.py": """
import math
def deep(x): return math.sqrt(x)
def norm(x): return deep(x)
def clean(x): return x
""",
    "alone.py": "def zzz(): return 1\n",
}


def test_each_component_is_named_by_file_and_name_and_its_digest_is_that_of_its_source(tmp_path: Path) -> None:
    code = read(write(tmp_path, PROJECT))
    assert code.sources == {
        "helpers.py:clean": "def clean(x):\n    return x",
        "helpers.py:deep": "def deep(x):\n    return math.sqrt(x)",
        "helpers.py:math": "import math",
        "helpers.py:norm": "def norm(x):\n    return deep(x)",
        "pipeline.py:LIMIT": "LIMIT = 0.5",
        "pipeline.py:c2": "from helpers import clean as c2",
        "pipeline.py:helpers": "import helpers",
        "pipeline.py:train": "def train(x, k=LIMIT):\n    return c2(helpers.norm(x)) + k",
    }
    assert code.components == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in code.sources.items()}


def test_an_edit_is_seen_in_the_component_that_was_edited(tmp_path: Path) -> None:
    before = read(write(tmp_path, PROJECT))
    write(tmp_path, {"helpers.py": PROJECT["helpers.py"].replace("math.sqrt(x)", "math.sqrt(x) + 1")})
    assert differences(before, read(tmp_path)) == {"helpers.py:deep"}


def test_the_fingerprint_does_not_depend_on_the_folder_nor_on_the_order_of_reading(tmp_path: Path) -> None:
    one = read(write(tmp_path / "one", PROJECT))
    reader = CodeReader(write(tmp_path / "two", PROJECT))
    reader.code_of([("helpers", "clean"), ("alone", "zzz")])
    assert reader.code_of([("pipeline", "train")]) == one
    assert list(one.components) == sorted(one.components)


def test_several_names_are_read_together(tmp_path: Path) -> None:
    reader = CodeReader(write(tmp_path, PROJECT))
    both = reader.code_of([("pipeline", "train"), ("alone", "zzz")])
    assert {"pipeline.py:train", "alone.py:zzz"} <= set(both.components)
    assert reader.code_of([("alone", "zzz"), ("pipeline", "train"), ("alone", "zzz")]) is both


def test_a_method_can_be_asked_for_by_its_qualified_name(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {"pipeline.py": "class Work:\n    def run(self): return helper()\ndef helper(): return 1\n"}
    )
    code = CodeReader(folder).code_of([("pipeline", "Work.run")])
    assert set(code.components) == {"pipeline.py:Work", "pipeline.py:helper"}


def test_the_files_are_those_that_were_read_for_it(tmp_path: Path) -> None:
    code = read(write(tmp_path, PROJECT))
    assert set(code.files) == {"pipeline.py", "helpers.py"}
    assert code.files["helpers.py"] == hashlib.sha256(PROJECT["helpers.py"].encode()).hexdigest()


def test_files_that_would_be_used_if_they_were_there_are_named(tmp_path: Path) -> None:
    code = read(write(tmp_path, PROJECT))
    assert {"math.py", "math/__init__.py"} <= set(code.missing)
    everything = read(write(tmp_path, {"pipeline.py": "def train(x): return __import__(x)\n"}))
    assert "**/*.py" in everything.missing


def test_a_project_file_that_newly_takes_the_place_of_a_package_is_noticed(tmp_path: Path) -> None:
    before = read(write(tmp_path, {"pipeline.py": "import textwrap\ndef train(x): return textwrap.indent('a', '-')\n"}))
    assert not any(name.startswith("textwrap") for name in before.files)
    assert "textwrap.py" in before.missing
    after = read(write(tmp_path, {"textwrap.py": "def indent(a, b): return a\n"}))
    assert "textwrap.py:indent" in differences(before, after)


def test_a_file_edited_since_is_named(tmp_path: Path) -> None:
    reader = CodeReader(write(tmp_path, PROJECT))
    files = reader.code_of([("pipeline", "train")]).files
    assert reader.edited(files) is None
    (tmp_path / "helpers.py").write_text("# gone")
    assert reader.edited(files) == "helpers.py"
    (tmp_path / "helpers.py").write_text(PROJECT["helpers.py"])
    assert reader.edited(files) is None
    (tmp_path / "helpers.py").unlink()
    assert reader.edited(files) == "helpers.py"


def test_an_edit_that_keeps_size_and_time_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, PROJECT)
    path, old = tmp_path / "helpers.py", time.time() - 3600
    os.utime(path, (old, old))
    reader = CodeReader(tmp_path)
    files = reader.code_of([("pipeline", "train")]).files
    path.write_text(PROJECT["helpers.py"].replace("sqrt", "cbrt"))
    os.utime(path, (old, old))
    assert reader.edited(files) == "helpers.py"


def test_a_file_that_is_no_python_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": "import h\ndef train(x): return h.f\n", "h.py": "x = 1\ndef f(:\n"})
    with pytest.raises(ProjectError) as caught:
        read(tmp_path)
    assert caught.value.where is not None
    assert (Path(caught.value.where.file).name, caught.value.where.line) == ("h.py", 2)


def test_a_file_with_null_bytes_is_an_error_of_the_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        read(write(tmp_path, {"pipeline.py": b"def train(x): return x\0"}))


def test_a_broken_file_is_named_each_time_and_does_not_disturb_other_names(tmp_path: Path) -> None:
    text = "import good\ndef train(x):\n    import bad\n    return bad.f(x)\ndef other(x): return good.f(x)\n"
    write(tmp_path, {"pipeline.py": text, "good.py": "def f(x): return x\n", "bad.py": "def f(:\n"})
    reader = CodeReader(tmp_path)
    for _ in range(2):
        with pytest.raises(ProjectError):
            reader.code_of([("pipeline", "train")])
    assert "good.py:f" in reader.code_of([("pipeline", "other")]).components


def test_a_broken_file_that_is_not_reached_does_not_matter(tmp_path: Path) -> None:
    read(write(tmp_path, {**PROJECT, "alone.py": "def f(:\n"}))


# -- texts


@pytest.mark.parametrize(
    "source",
    [
        "x = f'{a!r:>{width}}' f'{{}}' f'{b:%Y-%m-%d}' f'{c=}'",
        "x = f'{f\"{a}\"}' + f'''{b[\"k\"]}'''",
        "def f(a, /, b=1, *args: int, c, d=2, **rest) -> 'text': return lambda x=(y := 1), *z, k=2: (yield)",
        "match x:\n    case {'a': [1, *rest], **more} if rest: pass\n    case A(b, c=-1.5 + 2j) | None as n: pass",
        "x = (-1) ** 2, -1 ** 2, not (a in b), (a, *b)[1:2, ...], {**a, 'b': 1}, {*a}, (yield)",
        "x = 1e400, 1.0, 1, True, 1j, -0.0, 0x10, 1_000, b'\\x00\\xff', '\\ud800\\n\\t\\'\"', u'a', ...",
        "x = [i async for i in y if i if j for k in i], (i for i in j), {i: j for i, j in k}",
        "try:\n    pass\nexcept* (A, B) as e:\n    raise X from e\nelse:\n    pass\nfinally:\n    del a[0], b.c",
        "async def f():\n    async with a as b, c as (d, e): await g\n    async for i in j: pass\n    else: pass",
        "@a.b(c)\n@(lambda f: f)\nclass A(B, *C, metaclass=D, **E):\n    x: int\n    (y): int = 1\n    global z",
        "x = a if b else (c if d else e), (a if b else c) if d else e, lambda: (yield), (a := b), 1 .real, 1.0.real",
        "x = a < b < c, (a < b) < c, a or b and c, (a or b) and c, not a == b, ~a << b, a @ b // c % d, a[b, :c, *d]",
        "with (a, b): pass\nfor a, *b in c, d: pass\nwhile a: break\nelse: continue",
        'x = """a\n  b\\\n"""\ny = \'\'\'"""\'\'\'',
    ],
)  # fmt: skip
def test_a_text_can_be_parsed_back_so_that_nothing_is_lost(source: str) -> None:
    def dump(text: str) -> str:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                node.kind = None
        return ast.dump(tree)

    texts = [one.text for one in read_sheet(source.encode("utf-8", "surrogatepass"), "").statements]
    assert dump("\n".join(texts)) == dump(source)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (f"x = 0x{'f' * 5000}1", f"x = 0x{'f' * 5000}2"),  # a number that Python refuses to write
        (f"x = 1{' + a' * 1500}", f"x = 2{' + a' * 1500}"),  # nested too deep for a visitor
        (f"x = f.a{'.b()' * 1200}", f"x = f.c{'.b()' * 1200}"),
    ],
)
def test_what_python_cannot_write_counts_as_it_stands(tmp_path: Path, one: str, two: str) -> None:
    before = read(write(tmp_path, {"pipeline.py": f"{one}\ndef train(y): return x\n"}))
    assert before == read(tmp_path)
    assert differences(before, read(write(tmp_path, {"pipeline.py": f"{two}\ndef train(y): return x\n"})))


def test_the_fingerprint_does_not_depend_on_how_deep_the_caller_is(tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": f"x = 1{' + a' * 250}\ndef train(y): return x\n"})

    def deeper(levels: int) -> object:
        return read(tmp_path) if not levels else deeper(levels - 1)

    assert deeper(sys.getrecursionlimit() - 400) == read(tmp_path)


# -- files that are no plain Python text


CHANGES: dict[str, tuple[dict[str, str | bytes], dict[str, str | bytes]]] = {
    "the encoding that a file declares": (
        {"h.py": "# coding: latin-1\nN = 'é'\n".encode()}, {"h.py": "# coding: utf-8\nN = 'é'\n".encode()},
    ),
    "a character that is no ASCII": ({"h.py": "N = 'é'\n"}, {"h.py": "N = 'è'\n"}),
    "an identifier that is no ASCII": (
        {"h.py": "é = 1\nè = 2\nN = é\n"}, {"h.py": "é = 1\nè = 2\nN = è\n"},
    ),
    "a package that takes the place of a file": ({"h.py": "N = 1\n"}, {"h.py": "N = 1\n", "h/__init__.py": "N = 2\n"}),
    "a submodule that takes the place of nothing": (
        {"h.py": "try:\n    from pkg import later as N\nexcept ImportError:\n    N = 0\n", "pkg/__init__.py": ""},
        {"h.py": "try:\n    from pkg import later as N\nexcept ImportError:\n    N = 0\n", "pkg/__init__.py": "",
         "pkg/later.py": "def __repr__(): ...\n"},
    ),
}  # fmt: skip
SAME: dict[str, tuple[dict[str, str | bytes], dict[str, str | bytes]]] = {
    "line ends": ({"h.py": b"N = (1,\n  2)\n"}, {"h.py": b"N = (1,\r\n  2)\r\n"}),
    "a byte order mark": ({"h.py": b"N = 1\n"}, {"h.py": b"\xef\xbb\xbfN = 1\n"}),
    "the encoding, where the text is the same": (
        {"h.py": "N = 'é'\n".encode()}, {"h.py": "# coding: latin-1\nN = 'é'\n".encode("latin-1")},
    ),
    "a form feed": ({"h.py": b"N = 1\nM = 1\n"}, {"h.py": b"N = 1\n\x0cM = 1\n"}),
    "bytecode without source": ({"h.py": b"N = 1\n"}, {"h.py": b"N = 1\n", "h.pyc": b"\x00"}),
}  # fmt: skip
USER = {"pipeline.py": "import h\ndef train(x): return str(h.N)[:8]\n"}


@pytest.mark.parametrize("name", CHANGES)
def test_the_bytes_of_a_file_are_read_as_python_reads_them(tmp_path: Path, name: str) -> None:
    before, after = (write(tmp_path / str(i), {**USER, **files}) for i, files in enumerate(CHANGES[name]))
    assert result(before) != result(after)
    assert differences(read(before), read(after))


@pytest.mark.parametrize("name", SAME)
def test_bytes_that_mean_the_same_are_the_same(tmp_path: Path, name: str) -> None:
    before, after = (write(tmp_path / str(i), {**USER, **files}) for i, files in enumerate(SAME[name]))
    assert result(before) == result(after)
    assert not differences(read(before), read(after))


def test_a_file_behind_a_link_counts(tmp_path: Path) -> None:
    real = write(tmp_path / "shared", {"h.py": "N = 1\n", "more/deep.py": "M = 1\n"})
    folder = write(
        tmp_path / "project", {"pipeline.py": "import h\nimport m.deep\ndef train(x): return h.N, m.deep.M\n"}
    )
    (folder / "h.py").symlink_to(real / "h.py")
    (folder / "m").symlink_to(real / "more")
    before = read(folder)
    write(real, {"h.py": "N = 2\n"})
    assert differences(before, read(folder)) == {"h.py:N"}
    write(real, {"h.py": "N = 1\n", "more/deep.py": "M = 2\n"})
    assert differences(before, read(folder)) == {"m/deep.py:M"}


def test_links_in_a_circle_do_not_matter(tmp_path: Path) -> None:
    folder = write(tmp_path, {"pipeline.py": "def train(x): return __import__(x)\n", "a/b.py": ""})
    (folder / "a" / "again").symlink_to(folder)
    assert "a/b.py" in read(folder).components


@pytest.mark.parametrize("suffix", [".so", ".abi3.so", f".cpython-3{sys.version_info.minor}-x86_64-linux-gnu.so"])
def test_a_compiled_extension_counts_with_its_bytes_and_before_a_source_of_the_same_name(
    tmp_path: Path, suffix: str
) -> None:
    files = {**USER, "h.py": "N = 1\n"}
    before = read(write(tmp_path, {**files, f"h{suffix}": b"\x7fELF one"}))
    assert set(before.components) == {"pipeline.py:train", "pipeline.py:h", f"h{suffix}"}
    assert differences(before, read(write(tmp_path, {f"h{suffix}": b"\x7fELF two"}))) == {f"h{suffix}"}
    assert not differences(before, before)


def test_native_libraries_of_the_project_count_where_code_loads_such(tmp_path: Path) -> None:
    text = "import ctypes\ndef train(x): return ctypes.CDLL(x + 'so').f()\ndef other(x): return x\n"
    folder = write(tmp_path, {"pipeline.py": text, "native/libfast.so": b"one", "libfast.so.1": b"one"})
    before, other = read(folder), CodeReader(folder).code_of([("pipeline", "other")])
    write(folder, {"native/libfast.so": b"two"})
    assert differences(before, read(folder)) == {"native/libfast.so"}
    assert CodeReader(folder).code_of([("pipeline", "other")]) == other


def test_a_module_that_is_found_through_a_changed_search_path_counts(tmp_path: Path) -> None:
    text = "import sys\nsys.path.insert(0, 'parts')\nimport odd_one\ndef train(x): return odd_one.N\n"
    before = read(
        write(
            tmp_path, {"pipeline.py": text, "parts/odd_one.py": "import even\nN = even.N\n", "parts/even.py": "N = 1\n"}
        )
    )
    write(tmp_path, {"parts/even.py": "N = 2\n"})
    assert differences(before, read(tmp_path))


def test_an_archive_with_modules_counts(tmp_path: Path) -> None:
    text = "import sys\nsys.path.insert(0, 'lib.zip')\nimport zipped_one\ndef train(x): return zipped_one.N\n"
    before = read(write(tmp_path, {"pipeline.py": text, "lib.zip": b"PK one"}))
    write(tmp_path, {"lib.zip": b"PK two"})
    assert differences(before, read(tmp_path)) == {"lib.zip"}


# -- kept on disk


def test_what_is_kept_on_disk_gives_the_same_fingerprint(tmp_path: Path) -> None:
    for seed in range(12):
        folder = write(tmp_path / str(seed), Maker(seed).project())
        fresh = read(folder)
        assert read(folder, shelf=tmp_path / "shelf") == fresh
        assert read(folder, shelf=tmp_path / "shelf") == fresh


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


def _change(path: Path) -> None:
    path.write_text(path.read_text().replace("math.sqrt", "math.cbrt"))


def _empty(path: Path) -> None:
    path.write_text("")


def _other_shape(path: Path) -> None:
    path.write_text(json.dumps([1, 2, 3]))


@pytest.mark.parametrize("damage", [_cut, _change, _empty, _other_shape])
def test_a_damaged_file_on_disk_is_passed_over(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder, shelf = write(tmp_path / "project", PROJECT), tmp_path / "shelf"
    fresh = read(folder, shelf=shelf)
    kept = list(shelf.iterdir())
    assert len(kept) == 2
    for path in kept:
        damage(path)
    assert read(folder, shelf=shelf) == fresh


def test_a_file_that_changes_is_read_again_and_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder, shelf = write(tmp_path / "project", PROJECT), tmp_path / "shelf"
    before = read(folder, shelf=shelf)
    write(folder, {"helpers.py": PROJECT["helpers.py"].replace("sqrt", "cbrt")})
    assert differences(before, read(folder, shelf=shelf)) == {"helpers.py:deep"}
    assert len(list(shelf.iterdir())) == 2


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    folder = write(tmp_path / "project", PROJECT)
    (tmp_path / "shelf").write_text("in the way")
    assert read(folder, shelf=tmp_path / "shelf") == read(folder)


# -- speed


def test_a_thousand_steps_over_shared_helpers_cost_little_each(tmp_path: Path) -> None:
    files = {}
    for module in range(10):
        before = f"from m{module - 1} import f{module - 1}_0\n" if module else ""
        functions = [
            f"def f{module}_{j}(x):\n    y = x * {j}\n    return "
            + (f"f{module}_{j - 1}(y)" if j else f"f{module - 1}_0(y)" if module else "y")
            for j in range(20)
        ]
        files[f"m{module}.py"] = before + "\n".join(functions) + "\n"
    steps = "".join(f"def s{i}(x): return m{i % 10}.f{i % 10}_{i % 20}(x) + {i}\n" for i in range(1000))
    files["pipeline.py"] = "".join(f"import m{module}\n" for module in range(10)) + steps
    reader = CodeReader(write(tmp_path, files))
    reader.code_of([("pipeline", "s0")])
    started = time.process_time()
    for i in range(1, 1000):
        reader.code_of([("pipeline", f"s{i}")])
    assert time.process_time() - started < 2.0  # measured 0.2 s
    started = time.process_time()
    for _ in range(1000):
        reader.code_of([("pipeline", "s7")])
    assert time.process_time() - started < 0.1  # measured 0.001 s
