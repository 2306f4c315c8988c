"""Writes projects into folders and runs them in this process, for tests of fingerprints."""

from __future__ import annotations

import builtins
import importlib
import math
import os
import random
import signal
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from detent.pipeline.fingerprint.code import Code, CodeReader

ERROR = "error:"
LONGEST = 2.0  # seconds of processor time: a changed project may never end


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files of a project and return its folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return folder


def read(folder: Path, **options: Any) -> Code:
    """Return the fingerprint of `train` in pipeline.py."""
    return CodeReader(folder, **options).code_of([("pipeline", "train")])


def differences(one: Code, two: Code) -> set[str]:
    """Return the components and packages that differ."""
    before, after = {**one.components, **one.environment}, {**two.components, **two.environment}
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def result(folder: Path, lines: set[tuple[str, int]] | None = None) -> str:
    """Import the project in this process, call `train(2)`, and forget the project and what it changed again.

    `lines` is filled with the lines that ran in the call: (file relative to the folder, line).
    """
    mine = {entry.stem for entry in folder.iterdir()}
    # Another test of this process may have loaded a project with files of these names.
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in mine}
    known, path, writes = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    patched = {module: dict(vars(module)) for module in (builtins, math)}
    environment, state = dict(os.environ), random.getstate()
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # a file that is edited within a second would be taken for the one before
    importlib.invalidate_caches()
    before = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        train = importlib.import_module("pipeline").train
        if lines is not None:
            sys.settrace(_tracer(f"{folder}/", lines))
        return repr(train(2))
    except Exception as error:  # noqa: BLE001  (whatever a changed project raises)
        return f"{ERROR} {type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if lines is not None:
            sys.settrace(None)
        sys.path[:], sys.dont_write_bytecode = path, writes
        for module, names in patched.items():
            for name in set(vars(module)) - set(names):
                delattr(module, name)
            vars(module).update(names)
        os.environ.clear()
        os.environ.update(environment)
        random.setstate(state)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
            if name not in known and isinstance(module, types.ModuleType) and str(file).startswith(str(folder)):
                del sys.modules[name]
        sys.modules.update(others)
        for entry in [entry for entry in sys.path_importer_cache if entry.startswith(str(folder))]:
            del sys.path_importer_cache[entry]


def _too_long(*_: object) -> None:
    raise TimeoutError


def _tracer(folder: str, lines: set[tuple[str, int]]) -> Callable[..., Any]:
    def trace(frame: types.FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(folder):
            return None
        lines.add((file[len(folder) :], frame.f_lineno))
        return trace

    return trace
