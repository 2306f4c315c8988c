"""Imports and dotted names: what do they stand for?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from detent.pipeline.fingerprint.sheet import Bindings, dotted


def chain_of(node: ast.expr) -> list[str]:
    """Return ["a", "b", "c"] for `a.b.c`; [] when it does not begin with a name."""
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    return [node.id, *reversed(chain)] if isinstance(node, ast.Name) else []


def full_names(node: ast.expr, bindings: Bindings) -> list[str]:
    """Return the full names that `a.b.c` may mean through imports; [] when `a` is not imported."""
    chain = chain_of(node)
    return [".".join([dotted(binding), *chain[1:]]) for binding in bindings.get(chain[0], ())] if chain else []


def import_bindings(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Give (local name, "module" or "module:name") for each name that an import binds."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
    else:
        source = source_of(statement, package)
        for alias in statement.names:
            if alias.name != "*":
                yield alias.asname or alias.name, f"{source}:{alias.name}"


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


def is_main_guard(statement: ast.stmt) -> TypeGuard[ast.If]:
    """True for `if __name__ == "__main__":`, whose body does not run when the module is imported."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    test = statement.test
    sides = [test.left, *test.comparators]
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    main = any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    return len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq) and named and main


def is_type_checking(statement: ast.stmt, bindings: Bindings) -> TypeGuard[ast.If]:
    """True for `if TYPE_CHECKING:`, whose body never runs."""
    if not isinstance(statement, ast.If):
        return False
    names = full_names(statement.test, bindings)
    return bool(names) and all(name in ("typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING") for name in names)
