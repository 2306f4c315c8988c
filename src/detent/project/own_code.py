"""Functions of the project that the gate section names: found without running them, and digested."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from detent.errors import did_you_mean
from detent.project.nodes import Value
from detent.records.check import Check
from detent.store.canonical import digest


def require_code(value: Value, spec: str, folder: Path) -> None:
    """Refuse a line that names a function which is not there. Nothing is executed: to read a project must stay cheap.

    Raises:
        ProjectError: at the line of detent.yaml; the file is missing, or has no such name at its top level.
    """
    file, _, name = spec.partition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        near = sorted(str(found.relative_to(folder)) for found in folder.glob("*.py"))
        fix = did_you_mean(file, near) if near else "create the file"
        raise value.error(f"{file} is not in the project folder", fix)
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # whoever imports it names the line of the file itself
    names, open_ended = _names(tree)
    if name not in names and not open_ended:
        public = sorted(known for known in names if not known.startswith("_"))
        raise value.error(f"{file} has no `{name}`", did_you_mean(name, public) if public else f"define `{name}` there")


def code_digests(checks: Sequence[Check], folder: Path) -> dict[str, str]:
    """Return the digest of each file that a check names, by file; what those files import is not part of it."""
    files = sorted({check.code.partition(":")[0] for check in checks if check.code})
    return {file: digest((folder / file).read_bytes()) for file in files}


def _names(tree: ast.Module) -> tuple[set[str], bool]:
    """Return the names that the file's top level surely binds, and True when it may bind others."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif not isinstance(node, ast.Expr):
            return names, True
    return names, "*" in names
