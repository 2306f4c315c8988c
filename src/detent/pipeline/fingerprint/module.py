"""One project file, parsed: what it defines, imports and does when it is imported."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detent.errors import Place, ProjectError
from detent.pipeline.fingerprint.effects import Binding, Scope, has_effect, is_main_guard, is_type_checking

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match)


@dataclass(slots=True)
class Module:
    """A parsed file. `file` is "" for a folder without `__init__.py` (a namespace package)."""

    name: str  # dotted
    file: str  # relative to the project folder
    sha: str  # sha256 of the bytes
    package: str  # what relative imports start from
    tree: ast.Module
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)  # name -> statements that bind it
    bindings: dict[str, list[Binding]] = field(default_factory=dict)  # name -> what an import binds it to
    imported: list[str] = field(default_factory=list)  # modules that importing this one imports
    stars: list[str] = field(default_factory=list)  # modules of `from x import *`
    effects: list[ast.stmt] = field(default_factory=list)  # statements that may do more than bind a name


class Files:
    """The Python files of a project, read once each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.texts: dict[int, str] = {}  # normalised statements by identity, for whoever reads the same files again
        self._known: dict[str, Module | None] = {}

    def find(self, name: str) -> Module | None:
        """Return the project's module of that dotted name, or None when it is not part of the project.

        Raises:
            ProjectError: the file is no valid Python.
        """
        if name not in self._known:
            self._known[name] = self._read(name) if name and all(name.split(".")) else None
        return self._known[name]

    def owns(self, name: str) -> bool:
        """True when a dotted name begins with a module or package of the project."""
        path = self.folder / name.partition(".")[0]
        return path.with_name(path.name + ".py").is_file() or path.is_dir()

    def all_names(self) -> Iterator[str]:
        """Give the dotted name of every Python file below the folder, environments and hidden folders left out."""
        for path in sorted(self.folder.rglob("*.py")):
            parts = path.relative_to(self.folder).with_suffix("").parts
            hidden = any(part.startswith(".") or part in ("__pycache__", "site-packages") for part in parts)
            if not hidden and all(part.isidentifier() for part in parts):
                yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)

    def _read(self, name: str) -> Module | None:
        path = self.folder.joinpath(*name.split("."))
        for candidate, package in (
            (path / "__init__.py", name),
            (path.with_name(path.name + ".py"), name.rpartition(".")[0]),
        ):
            if candidate.is_file():
                module = parse(candidate, candidate.relative_to(self.folder).as_posix(), name, package)
                # Only now, because what a name is bound to decides whether a call can have an effect.
                scope = Scope(module.bindings, module.definitions, self.owns)
                module.effects = [statement for statement in module.tree.body if has_effect(statement, scope)]
                return module
        if path.is_dir() and any(path.rglob("*.py")):
            return Module(name, "", "", name, ast.Module([], []))
        return None


def parse(path: Path, file: str, name: str, package: str) -> Module:
    """Read a file and note what it binds and imports; its effects are left to the caller.

    Raises:
        ProjectError: the file is no valid Python.
    """
    source = path.read_bytes()
    try:
        tree = ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise ProjectError(
            what=f"{file} is no valid Python",
            why=str(error),
            fix="mend the line below",
            where=Place(file=str(path), line=getattr(error, "lineno", None)),
        ) from error
    module = Module(name, file, hashlib.sha256(source).hexdigest(), package, tree)
    for statement in tree.body:
        _note(module, statement)
    return module


def _note(module: Module, statement: ast.stmt) -> None:
    """Note what a top-level statement binds and imports."""
    if isinstance(statement, Definition):
        module.definitions.setdefault(statement.name, []).append(statement)
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        _note_import(module, statement, runs=True)
    elif is_main_guard(statement):
        for inner in statement.orelse:
            _note(module, inner)
    elif isinstance(statement, _COMPOUND):
        _note_compound(module, statement)
    else:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                module.definitions.setdefault(node.id, []).append(statement)


def _note_compound(module: Module, statement: ast.stmt) -> None:
    """Every variant of a conditional definition counts, so each name is bound to the whole statement."""
    for node in ast.walk(statement):
        if isinstance(node, Definition):
            module.definitions.setdefault(node.name, []).append(statement)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            module.definitions.setdefault(node.id, []).append(statement)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _note_import(module, node, runs=not is_type_checking(statement))


def _note_import(module: Module, statement: ast.Import | ast.ImportFrom, *, runs: bool) -> None:
    for name, binding in import_bindings(statement, module.package):
        module.bindings.setdefault(name, []).append(binding)
    if runs:
        module.imported.extend(imported_modules(statement, module.package))
    if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
        module.stars.append(source_of(statement, module.package))


def import_bindings(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Binding]]:
    """Give (local name, what it is) for each name that an import binds."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, Binding(alias.name, None)) if alias.asname else (top, Binding(top, None))
    else:
        source = source_of(statement, package)
        for alias in statement.names:
            if alias.name != "*":
                yield alias.asname or alias.name, Binding(source, alias.name)


def imported_modules(statement: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    """Return the modules that an import executes; a name of `from x import name` may be one, too."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    source = source_of(statement, package)
    return [source, *(f"{source}.{alias.name}" for alias in statement.names if alias.name != "*")] if source else []


def source_of(statement: ast.ImportFrom, package: str) -> str:
    """Return the absolute module of `from x import ...`; `package` is where relative imports start."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (statement.level - 1)]
    return ".".join([*parts, *([statement.module] if statement.module else [])])
