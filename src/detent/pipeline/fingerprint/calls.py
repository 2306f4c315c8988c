"""What may happen when a definition of the project is used while a module is imported: called, or subclassed?

The answers are conditions, as in `effects`: a decorator that only wraps, or a class that only keeps its arguments, does
no harm at import, so that the functions it marks and the objects it makes need not count for every step of the module.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from detent.pipeline.fingerprint import known
from detent.pipeline.fingerprint.effects import Judge
from detent.pipeline.fingerprint.scopes import children, defaults_of, names_of, walk
from detent.pipeline.fingerprint.sheet import ALWAYS, Bindings, Statement

_FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
# What Python itself calls when an object is made, and when it becomes an attribute of a class.
_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__set_name__"})
_HOOKS = frozenset({"__setattr__", "__getattribute__", "__set__", "__get__"})
_SUBCLASS_HOOKS = frozenset({"__init_subclass__", "__class_getitem__"})
_JUDGED = (
    ast.Return, ast.Raise, ast.Assert, ast.Pass, ast.Expr, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign,
    ast.AnnAssign, ast.If, ast.Try,
)  # fmt: skip
_TAME = (ast.Return, ast.Raise, ast.Assert, ast.Pass, ast.Continue, ast.Break)


def judge(found: Statement, node: ast.stmt, bindings: Bindings, own: Collection[str], *, lazy: bool) -> None:
    """Fill in the conditions of a statement."""
    whole = Judge(bindings, own, lazy=lazy)
    whole.statement(node)
    found.effect = whole.result()
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        value = Judge(bindings, own, lazy=lazy)
        value.value(node.value)
        value.plain(node.value, "data")
        found.plain = found.data = value.result()
    elif isinstance(node, _FunctionDef):
        body = _Body(bindings, own, lazy=lazy)
        body.wrapped(node.decorator_list)
        body.run(node)
        found.called = body.result()
        for inner in node.body:
            if isinstance(inner, _FunctionDef):
                body.run(inner)
        found.twice = body.result()
    elif isinstance(node, ast.ClassDef):
        found.called = _made(node, bindings, own, lazy=lazy)
        found.plain = found.extended = _extended(node, bindings, own, lazy=lazy)


def _made(node: ast.ClassDef, bindings: Bindings, own: Collection[str], *, lazy: bool) -> list[str]:
    body = _Body(bindings, own, lazy=lazy)
    body.class_keywords(node)
    body.wrapped(node.decorator_list)
    for base in node.bases:
        body.condition("make", base.value if isinstance(base, ast.Subscript) else base)
    for inner in node.body:
        if isinstance(inner, _FunctionDef) and inner.name in _HOOKS:
            body.refuse()
        elif isinstance(inner, _FunctionDef) and inner.name in _MAKERS:
            body.run(inner, method=True)
        elif not isinstance(inner, _FunctionDef):
            body.factories(inner)
    return body.result()


def _extended(node: ast.ClassDef, bindings: Bindings, own: Collection[str], *, lazy: bool) -> list[str]:
    bases = Judge(bindings, own, lazy=lazy)
    bases.class_keywords(node)
    for base in node.bases:
        bases.condition("extend", base.value if isinstance(base, ast.Subscript) else base)
    if any(isinstance(inner, _FunctionDef) and inner.name in _SUBCLASS_HOOKS for inner in node.body):
        bases.refuse()
    return bases.result()


class _Body(Judge):
    """Judges what the body of a function does. Its arguments may be functions, so they are not to be called."""

    def run(self, node: _FunctionDef, *, method: bool = False) -> None:
        """Judge one call of a function."""
        if any(not isinstance(inner, _JUDGED) for inner in node.body):
            self.refuse()
        if ALWAYS in self.conditions:
            return
        outer = self.local
        names = names_of(node)
        self.local = {*outer, *names.local}
        first = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]][:1] if method else []
        # What the function makes itself, and so may change.
        self._fresh = {*first, *(inner.name for inner in node.body if isinstance(inner, _FunctionDef))}
        for statement in node.body:
            self.statement(statement)
        self.local = outer

    def statement(self, node: ast.stmt) -> None:
        """Judge a statement of the body."""
        if isinstance(node, _TAME):
            self.values(child for child in children(node) if isinstance(child, ast.expr))
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, _FunctionDef):
            self.marks(node.decorator_list)
            self.values(defaults_of(node))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            self._keep(node)
        elif isinstance(node, ast.If | ast.Try):
            self._branches(node)
        else:
            self.refuse()

    def _keep(self, node: ast.Assign | ast.AnnAssign) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            made_here = (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id in self._fresh
            )
            if not made_here and any(isinstance(inner, ast.Attribute | ast.Subscript) for inner in walk(target)):
                self.refuse()
        if node.value is not None:
            self.value(node.value)
            self.plain(node.value, "data")

    def factories(self, node: ast.stmt) -> None:
        """Judge `field(default_factory=function)`: the function is called when an object is made."""
        for keyword in (inner for inner in walk(node) if isinstance(inner, ast.keyword)):
            if keyword.arg in ("default_factory", "factory"):
                if isinstance(keyword.value, ast.Lambda):
                    self.value(keyword.value.body)
                else:
                    self.callee(keyword.value, "call", trusted=known.only_computes)
