"""User code named as `file.py:name`."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from detent.errors import Place, ProjectError, did_you_mean
from detent.project.sources import SourceLoader, forget_edited, import_sources_of


def load_callable(spec: str, folder: Path) -> Any:
    """Import `file.py` from the project folder and return what `name` is in it (a function, a class, a schema).

    The folder is put on `sys.path`, so project files can import each other. A file that was imported before is not
    executed again, unless one of the project's imported files has changed since: then all of them are, and what was
    returned earlier stays what it was.

    Raises:
        ProjectError: the spec is malformed, the file is missing or outside the folder, it fails to import, or it has no
            such name.
    """
    file, colon, name = spec.partition(":")
    if not colon or not name or not file.endswith(".py"):
        raise ProjectError(
            what=f"`{spec}` does not name Python code",
            why="code is named as file.py:name, relative to the project folder",
            fix="write for example pipeline.py:retrain",
        )
    root = folder.resolve()
    path = (root / file).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        near = sorted(found.name for found in root.glob("*.py"))
        raise ProjectError(
            what=f"{file} is not in the project folder",
            why=f"`{spec}` names it",
            fix=did_you_mean(file, near) if near else "create the file",
            where=Place(file=str(path)),
        )
    module = _import(path, root)
    if not hasattr(module, name):
        public = sorted(known for known in vars(module) if not known.startswith("_"))
        raise ProjectError(
            what=f"{file} has no `{name}`",
            why=f"`{spec}` names it",
            fix=did_you_mean(name, public),
            where=Place(file=str(path)),
        )
    return getattr(module, name)


def loaded_callable(spec: str, folder: Path) -> Any | None:
    """Return what `load_callable` would if it need not execute anything; None when a file has to be imported for it.

    `folder` is the project's, with links resolved.
    """
    file, _, name = spec.partition(":")
    import_sources_of(folder)
    forget_edited(folder)
    return getattr(_known(folder / file, folder), name, None)


def _known(path: Path, folder: Path) -> Any | None:
    known = sys.modules.get(_module_name(path, folder))
    return known if known is not None and getattr(known, "__file__", None) == str(path) else None


def _module_name(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def _import(path: Path, folder: Path) -> Any:
    import_sources_of(folder)
    forget_edited(folder)
    known = _known(path, folder)
    if known is not None:
        return known
    name = _module_name(path, folder)
    loader = SourceLoader(name, str(path))
    module_spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert module_spec is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # `sys.exit()` in a file must not end the command without a word
        del sys.modules[name]
        raise _import_error(path, error) from error
    return module


def _import_error(path: Path, error: BaseException) -> ProjectError:
    line: int | None = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    return ProjectError(
        what=f"{path.name} can't be imported",
        why=f"{type(error).__name__}: {error}",
        fix="mend the line below; `python " + path.name + "` shows the same error",
        where=Place(file=str(path), line=line),
    )
