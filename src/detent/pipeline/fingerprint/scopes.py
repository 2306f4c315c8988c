"""Which names belong to a function itself, by Python's own rules? All others are the module's."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(slots=True)
class Names:
    """Names that one scope binds. Imports are left out: they are followed, wherever they stand."""

    local: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)  # declared `global`: the module's, even where they are assigned


def names_of(function: Function) -> Names:
    """Return what a function binds: parameters, and everything that its body assigns in its own scope."""
    found = Names()
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found.local |= {argument.arg for argument in every if argument is not None}
    for statement in function.body if isinstance(function.body, list) else [function.body]:
        _collect(statement, found)
    return found


def targets_of(generators: list[ast.comprehension]) -> Names:
    """Return the loop variables of a comprehension, which nobody outside it sees."""
    stores = [node for part in generators for node in ast.walk(part.target) if isinstance(node, ast.Name)]
    return Names(local={node.id for node in stores})


def _collect(node: ast.AST, found: Names) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        found.local.add(node.name)
        return  # a scope of its own
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, _COMPREHENSIONS):
        # Its loop variables are its own, but `:=` inside it binds out here.
        found.local |= {inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)}
        return
    if isinstance(node, ast.Global):
        found.outside |= set(node.names)
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        found.local.add(node.id)
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        found.local.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        found.local.add(node.rest)
    for child in ast.iter_child_nodes(node):
        _collect(child, found)
