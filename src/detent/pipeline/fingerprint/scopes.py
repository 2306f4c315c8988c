"""Which names belong to a function itself, by Python's own rules? All others are the module's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(slots=True)
class Names:
    """Names that one scope binds. Imported ones are left out: they are followed, wherever they stand."""

    local: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)  # declared `global`: the module's, even where they are assigned


def children(node: ast.AST) -> list[ast.AST]:
    """Return the pieces of a piece of syntax, in order; operators and contexts (`ast.Load`) have none, and are none.

    It is `ast.iter_child_nodes` in a third of the time.
    """
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and value._fields:
            found.append(value)
    return found


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Give a piece of syntax and all pieces inside it."""
    todo = [node]
    while todo:
        node = todo.pop()
        todo += children(node)
        yield node


def names_of(function: Function) -> Names:
    """Return what a function binds: parameters, and everything that its body assigns in its own scope."""
    found = Names(local={argument.arg for argument in arguments_of(function)})
    imported: set[str] = set()
    todo: list[ast.AST] = [*function.body] if isinstance(function.body, list) else [function.body]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is ast.Name or kind in _BINDERS:
            found.local |= bound_names(node)
        if kind in _SCOPES:
            continue  # a scope of its own
        if kind in COMPREHENSIONS:
            found.local |= set(_walrus_targets(node))  # its loop variables are its own, but `:=` binds out here
        elif isinstance(node, ast.Global):
            found.outside |= set(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            todo += children(node)
    # `h = None` in one branch and `import h` in another: the name may be the module.
    found.local -= imported
    return found


def targets_of(generators: list[ast.comprehension]) -> Names:
    """Return the loop variables of a comprehension, which nobody outside it sees."""
    nodes = [node for part in generators for node in walk(part.target) if isinstance(node, ast.Name)]
    return Names(local={node.id for node in nodes if isinstance(node.ctx, ast.Store)})


def arguments_of(function: Function) -> list[ast.arg]:
    """Return all parameters of a function."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument for argument in every if argument is not None]


def defaults_of(function: Function) -> list[ast.expr]:
    """Return the default values of a function's parameters, which are computed where it is defined."""
    return [*function.args.defaults, *(default for default in function.args.kw_defaults if default is not None)]


def annotations_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Return the annotations of a function's parameters and result."""
    annotations = [*(argument.annotation for argument in arguments_of(function)), function.returns]
    return [annotation for annotation in annotations if annotation is not None]


def bound_names(node: ast.AST) -> set[str]:
    """Return the names that one piece of syntax binds by itself, the pieces inside it left out."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, _DEFINITIONS):
        return {node.name}
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return {node.name} if node.name else set()
    if isinstance(node, ast.MatchMapping):
        return {node.rest} if node.rest else set()
    return set()


_BINDERS = frozenset({*_DEFINITIONS, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping})


def _walrus_targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.NamedExpr):
        yield node.target.id
    for child in children(node):
        yield from _walrus_targets(child)
