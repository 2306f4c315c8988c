"""Which top-level statements may do more, when a module is imported, than bind a name?

Registries, monkeypatches, seeds and settings work at import, and so a step may depend on them without naming them. A
statement counts as harmless only when everything it calls is known to be pure.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard


@dataclass(frozen=True, slots=True)
class Binding:
    """What an import binds a name to: a module, or a name in a module."""

    module: str
    name: str | None

    @property
    def dotted(self) -> str:
        """The full name."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


Bindings = Mapping[str, Sequence[Binding]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean at the top level of a module."""

    bindings: Bindings  # imported names
    own: Container[str]  # names that the module defines
    in_project: Callable[[str], bool]  # is a dotted name part of the project?


# `map` and `filter` are left out: they call what they are given.
_PURE_BUILTINS = frozenset({
    "abs", "all", "any", "bool", "bytes", "classmethod", "complex", "dict", "divmod", "enumerate", "float", "frozenset",
    "int", "len", "list", "max", "min", "object", "ord", "pow", "property", "range", "reversed", "round", "set",
    "slice", "sorted", "staticmethod", "str", "sum", "super", "tuple", "zip",
})  # fmt: skip
# What is pure below each package; the names after it are not.
_PURE_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "abc": (),
    "collections": (),
    "contextlib": (),
    "dataclasses": (),
    "datetime": (),
    "decimal": ("getcontext", "setcontext", "localcontext"),
    "detent.pipeline": (),
    "enum": (),
    "fractions": (),
    "functools": (),
    "itertools": (),
    "logging.getLogger": (),
    "math": (),
    "numpy": ("random", "set", "seterr"),
    "operator": (),
    "pathlib": (),
    "polars": ("Config", "api", "enable_", "disable_", "set_", "using_"),
    "re": (),
    "string": (),
    "typing": (),
    "zoneinfo": (),
}
_STEP_MARKS = frozenset({"detent.pipeline.step", "detent.pipeline.authoring.step"})


def has_effect(statement: ast.stmt, scope: Scope) -> bool:
    """True unless importing the module does no more, here, than bind a name."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
        return not (_pure_marks(statement.decorator_list, scope) and all(_pure(node, scope) for node in defaults))
    if isinstance(statement, ast.ClassDef):
        return _class_has_effect(statement, scope)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        plain = all(isinstance(target, ast.Name | ast.Tuple | ast.List | ast.Starred) for target in targets)
        return not plain or not (statement.value is None or _pure(statement.value, scope))
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if is_main_guard(statement):
        return bool(statement.orelse)
    harmless = isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass)
    return not harmless and not is_type_checking(statement)


def is_main_guard(statement: ast.stmt) -> TypeGuard[ast.If]:
    """True for `if __name__ == "__main__":`, whose body does not run when the module is imported."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in (
        "__name__ == '__main__'",
        "'__main__' == __name__",
    )


def is_type_checking(statement: ast.stmt) -> bool:
    """True for `if TYPE_CHECKING:` without an else."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and ast.unparse(statement.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    )


def is_step_mark(decorator: ast.expr, bindings: Bindings) -> bool:
    """True for `@step` and `@step(...)`, whose arguments (retries, timeout) change no result."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    names = dotted_names(target, bindings)
    return bool(names) and all(name in _STEP_MARKS for name in names)


def dotted_names(node: ast.expr, bindings: Bindings) -> list[str]:
    """Return the full names that `a.b.c` may mean through the module's imports; [] when `a` is not imported."""
    chain: list[str] = []
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return []
    return [".".join([binding.dotted, *reversed(chain)]) for binding in bindings.get(node.id, ())]


def _class_has_effect(statement: ast.ClassDef, scope: Scope) -> bool:
    if statement.keywords or not _pure_marks(statement.decorator_list, scope):
        return True
    # A base of the project may register its subclasses (`__init_subclass__`, a metaclass); one from outside does not
    # know the project.
    if any(
        isinstance(node, ast.Name) and _from_project(node, scope) for base in statement.bases for node in ast.walk(base)
    ):
        return True
    return any(has_effect(inner, scope) for inner in statement.body)


def _from_project(node: ast.Name, scope: Scope) -> bool:
    return node.id in scope.own or any(scope.in_project(name) for name in dotted_names(node, scope.bindings))


def _pure_marks(decorators: list[ast.expr], scope: Scope) -> bool:
    """True when all decorators are known to do nothing but wrap; a decorator is called even without parentheses."""
    for mark in decorators:
        arguments = [*mark.args, *(keyword.value for keyword in mark.keywords)] if isinstance(mark, ast.Call) else []
        target = mark.func if isinstance(mark, ast.Call) else mark
        setter = isinstance(target, ast.Attribute) and target.attr in ("setter", "getter", "deleter")  # of a property
        if not (setter or _pure_target(target, scope)) or not all(_pure(node, scope) for node in arguments):
            return False
    return True


def _pure(node: ast.expr, scope: Scope) -> bool:
    """True when computing the expression calls nothing but known pure functions. Bodies of lambdas do not run."""
    if isinstance(node, ast.Lambda):
        return all(_pure(default, scope) for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)])
    if isinstance(node, ast.Call):
        calls_back = any(keyword.arg == "key" for keyword in node.keywords)  # sorted(..., key=function)
        if calls_back or not _pure_target(node.func, scope):
            return False
    if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
        return False
    return all(_pure(child, scope) for child in _expressions(node))


def _expressions(node: ast.AST) -> list[ast.expr]:
    found: list[ast.expr] = []
    for child in ast.iter_child_nodes(node):
        found += [child] if isinstance(child, ast.expr) else _expressions(child)
    return found


def _pure_target(target: ast.expr, scope: Scope) -> bool:
    names = dotted_names(target, scope.bindings)
    if names:
        return all(_pure_name(name) and not scope.in_project(name) for name in names)
    if isinstance(target, ast.Name):
        return target.id in _PURE_BUILTINS and target.id not in scope.own
    root: ast.expr = target
    while isinstance(root, ast.Attribute):
        root = root.value
    # A method of a value made on the spot ("a b".split(), Path(__file__).parent.joinpath(...)): the value is checked by
    # itself. A method of anything that has a name may change it.
    return isinstance(target, ast.Attribute) and not isinstance(root, ast.Name)


def _pure_name(name: str) -> bool:
    for package, impure in _PURE_PACKAGES.items():
        if name == package:
            return True
        if name.startswith(package + "."):
            rest = name[len(package) + 1 :]
            return not any(rest == word or rest.startswith(word) for word in impure)
    return False
