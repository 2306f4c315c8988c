"""Packages in a fingerprint: those that the code reaches and all that they require, and no others."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from code_project import differences, read, write

from detent.pipeline.fingerprint.code import Code, CodeReader
from detent.pipeline.fingerprint.markers import holds
from detent.pipeline.fingerprint.own import behind, files_behind


class Site:
    """A folder with installed packages, made by hand as pip lays them out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lib" / "site-packages"
        self.folder.mkdir(parents=True)

    def install(
        self,
        name: str,
        version: str = "1.0",
        *,
        files: Mapping[str, str] | None = None,
        requires: Iterable[str] = (),
        origin: Mapping[str, object] | None = None,
    ) -> None:
        self.remove(name)
        module = name.replace("-", "_")
        files = files if files is not None else {f"{module}/__init__.py": "X = 1\n"}
        info = f"{module}-{version}.dist-info"
        head = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
        about = {f"{info}/METADATA": "\n".join([*head, "", "Requires-Dist: nothing-it-is-prose", ""])}
        if origin:
            about[f"{info}/direct_url.json"] = json.dumps(origin)
        write(self.folder, {**files, **about})
        digests = {file: hashlib.sha256(text.encode()).digest() for file, text in {**files, **about}.items()}
        lines = [
            f"{file},sha256={base64.urlsafe_b64encode(one).decode().rstrip('=')},1" for file, one in digests.items()
        ]
        write(self.folder, {f"{info}/RECORD": "\n".join([*lines, f"{info}/RECORD,,", "../../bin/tool,sha256=x,1", ""])})

    def remove(self, name: str) -> None:
        for info in self.folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
            for file in info.iterdir():
                file.unlink()
            info.rmdir()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "env")
    monkeypatch.syspath_prepend(str(made.folder))
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "project", {"pipeline.py": "import alpha_pkg\ndef train(x): return alpha_pkg.X\n"})


def test_python_and_the_platform_always_count(tmp_path: Path) -> None:
    environment = read(write(tmp_path, {"pipeline.py": "import math\ndef train(x): return math.pi\n"})).environment
    assert set(environment) == {"python", "platform"}
    assert environment["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert environment["platform"].startswith(f"{sys.platform}-")


def test_a_package_counts_with_what_it_requires_and_so_on(site: Site, project: Path) -> None:
    site.install("alpha-pkg", requires=["beta-pkg (>=1)"])
    site.install("beta-pkg", "2.0", requires=["Gamma_Pkg>=1; python_version >= '3.0'"])
    site.install("gamma-pkg", "3.0", requires=["alpha-pkg"])
    code = read(project)
    packages = {"alpha-pkg": "1.0", "beta-pkg": "2.0", "gamma-pkg": "3.0"}
    assert {name: version for name, version in code.environment.items() if name in packages} == packages
    site.install("gamma-pkg", "3.1", requires=["alpha-pkg"])
    assert differences(code, read(project)) == {"gamma-pkg"}


def test_a_package_that_nobody_reaches_changes_nothing(site: Site, project: Path) -> None:
    site.install("alpha-pkg")
    before = read(project)
    site.install("other-pkg")
    assert read(project) == before
    site.install("other-pkg", "2.0")
    assert read(project) == before


def test_a_package_that_only_another_step_of_the_file_names_changes_nothing(site: Site, tmp_path: Path) -> None:
    text = "import polars\nimport lightgbm\ndef train(x): return polars.col(x)\ndef other(x): return lightgbm.f(x)\n"
    environment = read(write(tmp_path / "project", {"pipeline.py": text})).environment
    assert "polars" in environment
    assert "lightgbm" not in environment


def test_a_package_that_is_imported_for_what_its_import_does_counts_for_every_step_of_the_file(
    site: Site, tmp_path: Path
) -> None:
    site.install("alpha-pkg")  # unknown, so it may patch or register something
    code = read(write(tmp_path / "project", {"pipeline.py": "import alpha_pkg\ndef train(x): return x\n"}))
    assert code.environment["alpha-pkg"] == "1.0"


@pytest.mark.parametrize(
    ("marker", "applies"),
    [
        ("python_version < '3'", False),
        ('python_version >= "3.8"', True),
        (f"sys_platform == '{sys.platform}'", True),
        ("sys_platform == 'win32' or (os_name == 'nt' and extra == 'x')", False),
        ("extra == 'fast'", False),
        ("platform_python_implementation != 'CPython' and python_version < '4'", sys.implementation.name != "cpython"),
        ("python_full_version ~= '3.0'", True),
        ("sys_platform not in 'win32 cygwin'", sys.platform not in "win32 cygwin"),
        ("python_version == '3.*'", True),
        ("something_new == '1'", True),  # what can't be read counts
        ("python_version <", True),
    ],
)
def test_a_requirement_counts_where_its_marker_applies(site: Site, project: Path, marker: str, applies: bool) -> None:
    site.install("alpha-pkg", requires=[f"beta-pkg; {marker}"])
    site.install("beta-pkg", "2.0")
    assert ("beta-pkg" in read(project).environment) is applies


def test_markers_compare_versions_as_numbers() -> None:
    assert holds("python_version >= '3.9'")
    assert holds("python_version < '3.100'")
    assert not holds("python_version == '3'")
    assert holds("extra == 'a' and (extra != 'b')", "a")


def test_an_extra_counts_where_a_requirement_asks_for_it(site: Site, project: Path) -> None:
    optional = ["delta-pkg; extra == 'fast'"]
    site.install("beta-pkg", requires=optional)
    site.install("delta-pkg", "4.0")
    site.install("alpha-pkg", requires=["beta-pkg"])
    assert "delta-pkg" not in read(project).environment
    site.install("alpha-pkg", requires=["beta-pkg[slow, fast]"])
    assert read(project).environment["delta-pkg"] == "4.0"


def test_what_is_required_and_not_there_counts_as_absent(site: Site, project: Path) -> None:
    site.install("alpha-pkg", requires=["beta-pkg"])
    before = read(project)
    assert before.environment["beta-pkg"] == "absent"
    site.install("beta-pkg")
    assert differences(before, read(project)) == {"beta-pkg"}


def test_a_package_that_is_not_there_counts_as_absent(tmp_path: Path) -> None:
    text = "try:\n    import no_such_package as p\nexcept ImportError:\n    p = None\ndef train(x): return p\n"
    assert read(write(tmp_path, {"pipeline.py": text})).environment["no_such_package"] == "absent"


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import late_pkg\n    HAS = True\nexcept ImportError:\n    HAS = False\ndef train(x): return HAS\n",
        "import importlib.util\ndef train(x): return importlib.util.find_spec('late_pkg') is not None\n",
        "def train(x):\n    try:\n        import late_pkg\n    except ImportError:\n        return 0\n    return 1\n",
    ],
)
def test_a_package_that_is_looked_for_counts_when_it_comes(site: Site, tmp_path: Path, text: str) -> None:
    before = read(write(tmp_path / "project", {"pipeline.py": text}))
    site.install("late-pkg")
    assert {"late-pkg", "late_pkg"} <= differences(before, read(tmp_path / "project"))


def test_a_module_may_be_called_otherwise_than_its_distribution(site: Site, project: Path) -> None:
    site.install("brand-of-alpha", "7.0", files={"alpha_pkg.py": "X = 1\n"})
    assert read(project).environment["brand-of-alpha"] == "7.0"


def test_all_distributions_that_share_a_namespace_count(site: Site, project: Path) -> None:
    site.install("one-part", files={"alpha_pkg/one.py": ""})
    site.install("two-part", files={"alpha_pkg/two.py": ""})
    assert {"one-part", "two-part"} <= set(read(project).environment)


def test_a_project_folder_without_an_init_file_does_not_hide_the_package_of_the_same_name(
    site: Site, project: Path
) -> None:
    site.install("alpha-pkg")
    write(project, {"alpha_pkg/notes.py": "X = 1\n"})
    before = read(project)
    assert before.environment["alpha-pkg"] == "1.0"
    site.install("alpha-pkg", "2.0")
    assert differences(before, read(project)) == {"alpha-pkg"}


def test_a_project_file_hides_the_package_of_the_same_name(site: Site, project: Path) -> None:
    site.install("alpha-pkg")
    before = read(project)
    write(project, {"alpha_pkg.py": "X = 2\n"})
    assert differences(before, read(project)) == {"alpha-pkg", "alpha_pkg.py:X"}


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "file:///somewhere/alpha", "dir_info": {}},
        {"url": "https://example.org/alpha.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        {"url": "https://example.org/alpha.whl", "archive_info": {}},
    ],
)
def test_what_was_installed_from_elsewhere_than_an_index_counts_with_its_files(
    site: Site, project: Path, origin: Mapping[str, object]
) -> None:
    site.install("alpha-pkg", origin=origin)
    before = read(project)
    assert before.environment["alpha-pkg"].startswith("1.0 record ")
    site.install("alpha-pkg", origin={**origin, "url": "file:///another/place"})
    assert read(project) == before
    site.install("alpha-pkg", origin=origin, files={"alpha_pkg/__init__.py": "X = 2\n"})
    assert differences(before, read(project)) == {"alpha-pkg"}


def test_a_dependency_that_is_edited_in_place_counts_with_its_files(site: Site, project: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "beta", {"src/beta_pkg.py": "X = 1\n", "README": "one"})
    site.install("alpha-pkg", requires=["beta-pkg"])
    site.install("beta-pkg", files={}, origin={"url": source.as_uri(), "dir_info": {"editable": True}})
    before = read(project)
    write(source, {"README": "two"})
    assert read(project) == before
    write(source, {"src/beta_pkg.py": "X = 2\n"})
    assert differences(before, read(project)) == {"beta-pkg"}


def test_a_package_that_is_used_from_a_folder_is_read_like_the_project(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(
        tmp_path / "shared", {"alpha_pkg/__init__.py": "from .a import X\n", "alpha_pkg/a.py": "X = 1\nY = 1\n"}
    )
    monkeypatch.syspath_prepend(str(source))
    before = read(project)
    assert "(path) alpha_pkg/a.py:X" in before.components
    assert "../shared/alpha_pkg/a.py" in before.files
    write(source, {"alpha_pkg/a.py": "X = 1\nY = 2  # nobody uses it\n"})
    assert read(project).components == before.components
    write(source, {"alpha_pkg/a.py": "X = 2\nY = 1\n"})
    assert differences(before, read(project)) == {"(path) alpha_pkg/a.py:X"}


def test_a_package_that_an_import_hook_finds_in_a_folder_is_read_like_the_project(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "shared", {"alpha_pkg/__init__.py": "X = 1\n"})

    class Hook:  # as setuptools installs one for `pip install -e`
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            from importlib.util import spec_from_file_location

            places = [str(source / "alpha_pkg")]
            file = source / "alpha_pkg" / "__init__.py"
            return (
                spec_from_file_location(name, file, submodule_search_locations=places) if name == "alpha_pkg" else None
            )

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Hook])
    before = read(project)
    assert "(path) alpha_pkg/__init__.py:X" in before.components
    write(source, {"alpha_pkg/__init__.py": "X = 2\n"})
    assert differences(before, read(project)) == {"(path) alpha_pkg/__init__.py:X"}


def test_an_installed_package_comes_before_a_folder_that_stands_later_on_the_search_path(
    site: Site, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "shared", {"alpha_pkg/__init__.py": "X = 1\n"})
    site.install("alpha-pkg")
    monkeypatch.setattr(sys, "path", [*sys.path, str(source)])
    assert read(project).environment["alpha-pkg"] == "1.0"


def test_a_module_that_was_put_among_the_packages_by_hand_counts_with_its_files(site: Site, project: Path) -> None:
    write(site.folder, {"alpha_pkg/__init__.py": "X = 1\n"})
    before = read(project)
    assert before.environment["alpha_pkg"].startswith("files ")
    write(site.folder, {"alpha_pkg/__init__.py": "X = 2\n"})
    assert differences(before, read(project)) == {"alpha_pkg"}


def test_code_that_asks_what_is_installed_depends_on_all_of_it(site: Site, tmp_path: Path) -> None:
    text = "from importlib.metadata import entry_points\ndef train(x): return list(entry_points())\n"
    folder = write(tmp_path / "project", {"pipeline.py": text})
    before = read(folder)
    site.install("alpha-pkg")
    assert differences(before, read(folder)) == {"everything installed"}


def test_a_package_that_a_text_names_counts(site: Site, tmp_path: Path) -> None:
    site.install("alpha-pkg")
    text = "from pydoc import locate\ndef train(x): return locate('alpha_pkg.X')\n"
    assert read(write(tmp_path / "project", {"pipeline.py": text})).environment["alpha-pkg"] == "1.0"


# -- this package itself


def of(text: str, folder: Path) -> Code:
    return CodeReader(write(folder, {"pipeline.py": text})).code_of([("pipeline", "train")])


def test_a_step_that_is_only_marked_does_not_depend_on_detent(tmp_path: Path) -> None:
    marked = "from detent.pipeline import step\nfrom detent.errors import DetentError\n@step\ndef train(x): return x\n"
    assert "detent" not in of(marked, tmp_path).environment


def test_a_step_that_uses_a_room_depends_on_that_room_and_on_what_it_imports(tmp_path: Path) -> None:
    split = of("from detent.data import Split\ndef train(x): return Split(x, x)\n", tmp_path).environment
    trained = of("from detent.training import lightgbm\ndef train(x): return lightgbm(x)\n", tmp_path).environment
    assert split["detent"] != trained["detent"]
    assert {"polars", "lightgbm", "onnx"} <= set(trained)
    assert "lightgbm" not in split
    assert not {"uvicorn", "mlflow-skinny", "click"} & {*split, *trained}


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("detent.data.Split", "from detent.data import Split"),
        ("detent.data.check_contract", "from detent.data import check_contract"),
        ("detent.data.split_by_time", "from detent.data import split_by_time"),
        (
            "detent.training.lightgbm",
            "import detent.training; from detent.plugins import load; load('trainer', 'lightgbm')",
        ),
    ],
)
def test_whatever_of_detent_is_loaded_is_among_the_files_behind_the_name(name: str, run: str) -> None:
    listing = "[[name, getattr(module, '__file__', None)] for name, module in sys.modules.items()]"
    script = f"import sys, json\n{run}\nprint(json.dumps({listing}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = [(module, file) for module, file in json.loads(done.stdout) if file]
    files = {str(file) for file in files_behind(frozenset({name}))}
    ours = {file for module, file in loaded if module.partition(".")[0] == "detent"}
    assert ours <= files
    _, packages = behind([name])
    for package in ("polars", "lightgbm", "sklearn", "onnx", "skl2onnx", "pandera", "msgspec", "scipy"):
        imported_here = any(f"\nimport {package}" in text or f"\nfrom {package}" in text for text in map(_text, ours))
        assert not imported_here or package in packages


def _text(file: str) -> str:
    return Path(file).read_text()
