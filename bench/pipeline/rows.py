"""The 22 rows of the truth table: what a user has, what changes, and which steps must run after it.

Every row is a pipeline `load` -> `compute` -> `report`. What is right is decided by plain Python, which goes through
the same changes with the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import scene
from scene import Scene
from shape import RECORD

from project import Project, Step

LOAD = """# imports
from pathlib import Path

from record import meet, ran


# step
def load() -> str:
    ran("load")
    text = Path("data/input.txt").read_text()
    {meet}return text.strip()
"""
COMPUTE = """# imports
from record import meet, ran
{imports}

{above}# step
{decorator}def compute(load: str{arguments}) -> str:
    ran("compute")
    {body}
"""
REPORT = """# imports
from record import ran


# step
def report(compute: str) -> str:
    ran("report")
    return "answer " + compute
"""
MEET = '''

def meet() -> None:
    """Wait until somebody has changed something, if that has not happened yet."""
    if not os.path.exists({log!r} + ".go"):
        open({log!r} + ".here", "w").close()
    deadline = time.monotonic() + 120
    while not os.path.exists({log!r} + ".go") and time.monotonic() < deadline:
        time.sleep(0.01)
'''
SCALE = "def scale(text: str{default}) -> str:\n    return str(sum(map(int, text.split())) * {factor})\n"
ALL = frozenset({"load", "compute", "report"})
BELOW = frozenset({"compute", "report"})
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One experiment: a first run, a change, a second run."""

    number: int
    title: str
    must: frozenset[str]  # the steps that must run after the change: the true minimum
    changes: tuple[Callable[[Scene], None], ...]  # a run after each
    body: str = "return scale(load)"  # of the step `compute`
    imports: str = "from helpers import scale"
    above: str = ""
    decorator: str = ""
    arguments: str = ""
    files: Mapping[str, str] = field(default_factory=lambda: {"helpers.py": SCALE.format(default="", factor="2")})
    params: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    package: str = ""  # a distribution that is there from the beginning
    meets: str = ""  # the step in whose middle the (only) change happens
    impossible: str = ""  # why nobody can be tested here

    def project(self, log: str) -> Project:
        """The user's files. Modules that `compute` reaches and data that `load` reads are what can be listed."""
        record = RECORD.format(log=log).replace("import os\n", "import os\nimport time\n") + MEET.format(log=log)
        body = ("meet()\n    " if self.meets == "compute" else "") + self.body
        compute = COMPUTE.format(
            imports=self.imports, above=self.above, decorator=self.decorator, arguments=self.arguments, body=body
        )
        modules = [name for name in self.files if name.endswith(".py")]
        steps = (
            Step(name="load", module="step_load", listed=("record.py", "data/input.txt")),
            Step(
                name="compute",
                module="step_compute",
                inputs=("load",),
                params=tuple(self.params),
                listed=("record.py", *modules),
                env=tuple(self.env),
            ),
            Step(name="report", module="step_report", inputs=("compute",), listed=("record.py",)),
        )
        files = {
            "record.py": record,
            "data/input.txt": "1 2 3\n",
            "step_load.py": LOAD.format(meet="meet()\n    " if self.meets == "load" else ""),
            "step_compute.py": compute,
            "step_report.py": REPORT,
            **self.files,
        }
        return Project(steps=steps, files=files, params=dict(self.params))


def rows() -> list[Row]:
    return [*_code(), *_packages_and_data(), *_store_and_params(), *_unseen(), *_unchanged()]


def _code() -> list[Row]:
    model = "class Model:\n    weight = 2\n"
    decorator = (
        "import functools\n\n\ndef adjusted(function):\n    @functools.wraps(function)\n"
        "    def wrapper(*args, **kwargs):\n        return function(*args, **kwargs) + ' adjusted 1'\n\n"
        "    return wrapper\n"
    )
    registry = (
        "REGISTRY = {}\n\n\ndef register(function):\n    REGISTRY[function.__name__] = function\n    return function\n"
    )
    plugins = "from registry import register\n\n\n@register\ndef double(text):\n    return f'{text} * 2'\n"
    deep = "from deep import factor\n\n\n" + SCALE.format(default="", factor="factor()")
    return [
        Row(number=1, title="helper edited", must=BELOW, changes=(scene.edit("helpers.py", "* 2", "* 3"),)),
        Row(
            number=2,
            title="helper's helper in another module",
            must=BELOW,
            files={"helpers.py": deep, "deep.py": "def factor() -> int:\n    return 2\n"},
            changes=(scene.edit("deep.py", "2", "3"),),
        ),
        Row(
            number=3,
            title="constant of the step's module",
            must=BELOW,
            above="FACTOR = 2\n\n\n",
            imports="",
            files={},
            body='return f"{load} * {FACTOR}"',
            changes=(scene.edit("step_compute.py", "FACTOR = 2", "FACTOR = 3"),),
        ),
        Row(
            number=4,
            title="class attribute",
            must=BELOW,
            imports="from models import Model",
            files={"models.py": model},
            body='return f"{load} * {Model.weight}"',
            changes=(scene.edit("models.py", "2", "3"),),
        ),
        Row(
            number=5,
            title="default argument of a helper",
            must=BELOW,
            files={"helpers.py": SCALE.format(default=", by: int = 2", factor="by")},
            changes=(scene.edit("helpers.py", "= 2", "= 3"),),
        ),
        Row(
            number=6,
            title="decorator of the step, in another module",
            must=BELOW,
            imports="from decorators import adjusted",
            decorator="@adjusted\n",
            files={"decorators.py": decorator},
            body="return load",
            changes=(scene.edit("decorators.py", "adjusted 1", "adjusted 2"),),
        ),
        Row(
            number=7,
            title="function found through a registry",
            must=BELOW,
            imports="import plugins\nfrom registry import REGISTRY",
            files={"registry.py": registry, "plugins.py": plugins},
            body='return REGISTRY["double"](load)',
            changes=(scene.edit("plugins.py", "* 2", "* 3"),),
        ),
    ]


def _packages_and_data() -> list[Row]:
    return [
        Row(
            number=8,
            title="package upgraded",
            must=BELOW,
            imports="import bench_ratio",
            files={},
            package="bench-ratio 1.0",
            body='return f"{load} * {bench_ratio.ratio()}"',
            changes=(scene.install("bench-ratio 2.0"),),
        ),
        Row(
            number=9,
            title="data edited, same size and mtime",
            must=ALL,
            changes=(scene.same_size_and_time("data/input.txt", "3", "4"),),
        ),
        Row(
            number=10,
            title="data edited during the run",
            must=ALL,
            meets="load",
            changes=(scene.edit("data/input.txt", "3", "40"),),
        ),
        Row(
            number=11,
            title="code edited during the run",
            must=BELOW,
            meets="compute",
            changes=(scene.edit("step_compute.py", "scale(load)", "scale(load + ' 40')"),),
        ),
    ]


def _store_and_params() -> list[Row]:
    return [
        Row(number=12, title="stored output deleted", must=frozenset({"report"}), changes=(scene.delete_output,)),
        Row(number=13, title="stored output damaged", must=frozenset({"report"}), changes=(scene.damage_output,)),
        Row(
            number=14,
            title='param 1, then "1", then True',
            must=BELOW,
            imports="from typing import Any",
            files={},
            arguments=", rate: Any",
            params={"rate": 1},
            body='return f"{load} {type(rate).__name__} {rate}"',
            changes=(scene.set_param("rate", "1"), scene.set_param("rate", True)),
        ),
    ]


def _unseen() -> list[Row]:
    return [
        Row(
            number=15,
            title="file read that nobody declared",
            must=BELOW,
            imports="from pathlib import Path",
            files={"extra.txt": "2\n"},
            body='return load + " * " + Path("extra.txt").read_text().strip()',
            changes=(scene.edit("extra.txt", "2", "30"),),
        ),
        Row(
            number=16,
            title="environment variable read",
            must=BELOW,
            imports="import os",
            files={},
            env={"RATE": "2"},
            body='return load + " * " + os.environ["RATE"]',
            changes=(scene.set_variable("RATE", "3"),),
        ),
        Row(
            number=17,
            title="table read by Polars that nobody declared",
            must=BELOW,
            imports="import polars as pl",
            files={"extra.csv": "rate\n2\n"},
            body='return load + " * " + str(pl.scan_csv("extra.csv").sum().collect().item())',
            changes=(scene.edit("extra.csv", "2", "30"),),
        ),
        Row(
            number=18,
            title="image tag moved",
            must=BELOW,
            changes=(),
            impossible="no step runs in an image here: all of these run in the environment of their user",
        ),
    ]


def _unchanged() -> list[Row]:
    return [
        Row(
            number=19,
            title="comment, docstring and layout only",
            must=NONE,
            changes=(scene.cosmetics,),
        ),
        Row(number=20, title="unrelated package installed", must=NONE, changes=(scene.install("bench-unrelated 1.0"),)),
        Row(
            number=21,
            title="a step edited, its output has the same bytes",
            must=frozenset({"load"}),
            changes=(scene.edit("step_load.py", "text.strip()", "text.rstrip().lstrip()"),),
        ),
        Row(number=22, title="other folder, same content", must=NONE, changes=(scene.move,)),
    ]
