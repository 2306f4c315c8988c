"""The pipelines that are timed, their edits, and the oracle: what must run after an edit, and what must come out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from project import Project, Step, Writer

WIDTH = 10

RECORD = '''from __future__ import annotations

import os


def ran(name: str) -> None:
    """Note that a step was executed, where no tool looks."""
    log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(log, name.encode() + b"\\n")
    os.close(log)
'''
MIX = '''from __future__ import annotations

import hashlib


def mix(*texts: str) -> str:
    """A text of 1 kB."""
    return hashlib.sha256("|".join(texts).encode()).hexdigest() * 16
'''
HELPER = """from __future__ import annotations

from mix import mix
from record import ran


def {name}(step: str, salt: int, *texts: str) -> str:
    ran(step)
    return mix(step, str(salt), "{name} 0", *texts)
"""
HEAVY = "import sklearn.ensemble\nimport sklearn.linear_model\n"


def mix(*texts: str) -> str:
    """The same as in the project."""
    return hashlib.sha256("|".join(texts).encode()).hexdigest() * 16


def build(shape: str, count: int, log: str, per_module: int = 100) -> Project:
    """`chain`: each step takes the one before. `layers`: 10 wide, each takes two of the layer before it.

    `heavy` is a chain whose modules import scikit-learn. Each step takes texts of 1 kB and gives one; the last tenth of
    the steps, 10 at most, calls the helper `late`, all others `early`.
    """
    late = {*range(count)} - {*range(count - min(10, max(1, count // 2)))}
    steps = []
    bodies: dict[str, list[str]] = {}
    for index in range(count):
        inputs = tuple(map(name_of, inputs_of(shape, index)))
        helper = "late" if index in late else "early"
        module = f"part_{index // per_module:05d}"
        listed = (f"{helper}.py", "mix.py", "record.py")
        steps.append(Step(name=name_of(index), module=module, inputs=inputs, listed=listed))
        signature = ", ".join(f"{name}: str" for name in inputs)
        arguments = ", ".join([f'"{name_of(index)}"', "0", *inputs])
        body = f"# step\ndef {name_of(index)}({signature}) -> str:\n    return {helper}({arguments})\n"
        bodies.setdefault(module, []).append(body)
    head = "# imports\nfrom early import early\nfrom late import late\n" + (HEAVY if shape == "heavy" else "")
    files = {
        "record.py": RECORD.format(log=log),
        "mix.py": MIX,
        "early.py": HELPER.format(name="early"),
        "late.py": HELPER.format(name="late"),
    }
    files |= {f"{module}.py": "\n\n".join([head, *texts]) for module, texts in bodies.items()}
    return Project(steps=tuple(steps), files=files)


def name_of(index: int) -> str:
    return f"s{index:05d}"


def inputs_of(shape: str, index: int) -> list[int]:
    if shape != "layers":
        return [index - 1] if index else []
    layer, column = divmod(index, WIDTH)
    return [(layer - 1) * WIDTH + column, (layer - 1) * WIDTH + (column + 1) % WIDTH] if layer else []


def edit(kind: str, project: Project, writer: Writer, turn: int) -> set[str]:
    """Change a project's code, for the `turn`-th time (from 1 on); gives the steps that must run: the true minimum."""
    if kind == "nothing":
        return set()
    if kind == "helper":
        writer.edit("late.py", f'"late {turn - 1}"', f'"late {turn}"')
        return affected(project, {step.name for step in project.steps if "late.py" in step.listed})
    step = project.steps[0 if kind == "root" else -1]
    writer.edit(f"{step.module}.py", f'("{step.name}", {turn - 1}', f'("{step.name}", {turn}')
    return affected(project, {step.name})


def affected(project: Project, changed: Collection[str]) -> set[str]:
    """The steps that changed and all that lie below them: no output of these projects ever stays the same."""
    found = set(changed)
    for step in project.steps:
        if found.intersection(step.inputs):
            found.add(step.name)
    return found


def answer(project: Project, edits: dict[str, int]) -> str:
    """What must come out, after so many edits of each kind, without running the project's code."""
    values: dict[str, str] = {}
    for index, step in enumerate(project.steps):
        helper = "late" if "late.py" in step.listed else "early"
        salt = edits.get("root", 0) if index == 0 else 0
        salt += edits.get("leaf", 0) if index == len(project.steps) - 1 else 0
        turn = edits.get("helper", 0) if helper == "late" else 0
        values[step.name] = mix(step.name, str(salt), f"{helper} {turn}", *(values[name] for name in step.inputs))
    return values[project.result]
