"""Which top-level statements may do more, when a module is imported, than bind a name?

Registries, monkeypatches, seeds and settings work at import, and so a step may depend on them without naming them. A
statement counts as harmless only when everything it calls is known to do no more than compute. What it calls may be the
project's own, so the answer is a list of conditions (see `sheet.Statement`), checked when all files are there.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Iterable

from detent.pipeline.fingerprint import known
from detent.pipeline.fingerprint.names import chain_of, full_names
from detent.pipeline.fingerprint.scopes import (
    COMPREHENSIONS,
    Comprehension,
    annotations_of,
    children,
    defaults_of,
    targets_of,
    walk,
)
from detent.pipeline.fingerprint.sheet import ALWAYS, Bindings

_OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.FormattedValue)
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_QUIET_KEYWORDS = frozenset({"total", "boundary"})  # of class statements


class Judge:
    """Collects the conditions under which some syntax only computes.

    `own` are the names that the module defines; `lazy` says that annotations are not evaluated; `local` are the names
    of a function whose body is judged: its parameters and variables, of which nothing is known.
    """

    def __init__(
        self, bindings: Bindings, own: Collection[str], *, lazy: bool, local: Collection[str] = frozenset()
    ) -> None:
        self.conditions: set[str] = set()
        self.bindings = bindings
        self.own = own
        self.lazy = lazy
        self.local = local
        self._asked: set[tuple[int, str]] = set()  # values that were asked about, so that a long chain is walked once

    def refuse(self) -> None:
        """Note that no condition makes it harmless."""
        self.conditions.add(ALWAYS)

    def result(self) -> list[str]:
        """Return the conditions: ALWAYS alone, when that is among them."""
        return [ALWAYS] if ALWAYS in self.conditions else sorted(self.conditions)

    def statement(self, node: ast.stmt) -> None:
        """Judge what a statement does where it stands."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.marks(node.decorator_list)
            self.values(defaults_of(node))
            if not self.lazy:
                self.types(annotations_of(node))
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            self._assignment(node)
        elif isinstance(node, ast.If | ast.Try):
            self._branches(node)
        elif isinstance(node, ast.ImportFrom):
            self.conditions |= {ALWAYS} if node.names[0].name == "*" else set()  # it may bind any name
        elif not isinstance(node, ast.Import | ast.Pass):
            idle = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            self.conditions |= set() if idle else {ALWAYS}

    def _assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if any(isinstance(inner, ast.Attribute | ast.Subscript) for inner in walk(target)):
                self.refuse()
        if isinstance(node, ast.AnnAssign) and not self.lazy:
            self.types([node.annotation])
        self.values([node.value] if node.value else [])

    def _branches(self, node: ast.If | ast.Try) -> None:
        inner = [*node.body, *node.orelse]
        if isinstance(node, ast.If):
            self.value(node.test)
        else:
            inner += [*node.finalbody, *(one for handler in node.handlers for one in handler.body)]
            self.values(handler.type for handler in node.handlers if handler.type)
        for statement in inner:
            self.statement(statement)

    def _class(self, node: ast.ClassDef) -> None:
        self.marks(node.decorator_list)
        self.class_keywords(node)
        for base in node.bases:
            self.types([base])
            self.condition("extend", base.value if isinstance(base, ast.Subscript) else base)
        for statement in node.body:
            self.statement(statement)

    def class_keywords(self, node: ast.ClassDef) -> None:
        """Judge `class A(B, metaclass=C, x=1)`: a metaclass and `__init_subclass__` run."""
        for keyword in node.keywords:
            if keyword.arg not in _QUIET_KEYWORDS and full_names(keyword.value, self.bindings) != ["abc.ABCMeta"]:
                self.refuse()

    def marks(self, decorators: Iterable[ast.expr]) -> None:
        """Judge decorators; a decorator is called even without parentheses, with a function or class of the project."""
        for mark in decorators:
            target = mark.func if isinstance(mark, ast.Call) else mark
            if isinstance(mark, ast.Call):
                self._arguments(mark)
            if isinstance(target, ast.Attribute) and target.attr in ("setter", "getter", "deleter"):
                continue  # of a property
            self.callee(target, "twice" if isinstance(mark, ast.Call) else "call", trusted=known.is_wrapper)

    def values(self, nodes: Iterable[ast.expr]) -> None:
        """Judge several expressions."""
        for node in nodes:
            self.value(node)

    def value(self, node: ast.expr) -> None:
        """Judge the computing of an expression. Bodies of lambdas do not run."""
        if isinstance(node, ast.Lambda):
            self.values(defaults_of(node))
            return
        if isinstance(node, ast.Call):
            self.callee(node.func, "call", trusted=known.only_computes)
            self._arguments(node)
            return
        if isinstance(node, COMPREHENSIONS):
            self._comprehension(node)
            return
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            self.refuse()
        if isinstance(node, ast.Attribute):
            self.conditions |= {f"exist {full}" for full in full_names(node, self.bindings)}
        if isinstance(node, _OPERATIONS):  # may be a method of a class of the project
            operands = [node.value] if isinstance(node, ast.Subscript | ast.FormattedValue) else _expressions(node)
            for operand in operands:
                self.plain(operand, "plain")
        self.values(_expressions(node))

    def _comprehension(self, node: Comprehension) -> None:
        outer = self.local
        self.local = {*outer, *targets_of(node.generators).local}
        for part in node.generators:
            self.plain(part.iter, "plain")
            self.values([part.iter, *part.ifs])
        self.values([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.local = outer

    def plain(self, node: ast.expr, kind: str) -> None:
        """Ask that a value is no object of a class of the project ("plain"), nor a class or function of it ("data")."""
        if (id(node), kind) in self._asked:
            return
        self._asked.add((id(node), kind))
        if isinstance(node, ast.Name | ast.Attribute) and chain_of(node):
            self.condition(kind, node)
        elif isinstance(node, ast.Lambda):
            self.refuse()
        elif isinstance(node, ast.Call):
            self._made(node.func)
        elif isinstance(node, ast.Attribute | ast.Starred | ast.Subscript):
            self.plain(node.value, kind)
        elif isinstance(node, (*_DISPLAYS, ast.IfExp, ast.BoolOp)):
            for child in _expressions(node):
                self.plain(child, kind)

    def _made(self, target: ast.expr) -> None:
        """Ask that a call returns no object of a class of the project."""
        names = full_names(target, self.bindings)
        if names:
            self.conditions |= {f"outside {full}" for full in names}
        elif isinstance(target, ast.Name):
            if target.id in self.own and target.id not in self.local:
                self.refuse()
        elif isinstance(target, ast.Attribute):
            self.plain(target.value, "plain")

    def _arguments(self, node: ast.Call) -> None:
        """Judge arguments. A function of the project may be handed only to what is known to keep it."""
        names = full_names(node.func, self.bindings)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        keeps = name in known.BUILTIN_WRAPPERS or (bool(names) and all(map(known.is_wrapper, names)))
        built_in = name in known.BUILTINS and name not in self.own
        for argument in node.args:
            self.value(argument)
            if not keeps and not (built_in and isinstance(argument, _DISPLAYS)):
                self.plain(argument, "plain" if built_in else "data")
        for keyword in node.keywords:
            self.value(keyword.value)
            if keyword.arg in ("key", "out"):  # sorted(..., key=function), numpy.add(..., out=table)
                self.refuse()
            if not keeps and not built_in:
                self.plain(keyword.value, "data")

    def callee(self, target: ast.expr, kind: str, *, trusted: Callable[[str], bool]) -> None:
        """Judge what is called; `trusted` says which names from outside may be."""
        names = full_names(target, self.bindings)
        if names:
            self.conditions |= {f"outside {full}" if trusted(full) else f"{kind} {full}" for full in names}
        if isinstance(target, ast.Name):
            if target.id in self.local:
                self.refuse()
            elif target.id in self.own:
                self.conditions.add(f"{kind} .{target.id}")
            elif not names and not trusted(f"builtins.{target.id}"):
                self.refuse()
        elif not names and isinstance(target, ast.Attribute):
            self._method(target)
        elif not names:
            self.refuse()

    def _method(self, target: ast.Attribute) -> None:
        """A method of a value made on the spot ("a b".split()) may do anything but write files.

        The value is judged by itself. A method of anything that has a name may change it, unless it is known to read.
        """
        root: ast.expr = target
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        named = isinstance(root, ast.Name)
        if (named and target.attr not in known.READERS) or (not named and target.attr in known.WRITERS):
            self.refuse()
        self.plain(root, "data")
        self.value(target.value)

    def wrapped(self, decorators: Iterable[ast.expr]) -> None:
        """Ask that decorators leave it to Python what a call does: those of the project may call anything."""
        for mark in decorators:
            self.callee(mark.func if isinstance(mark, ast.Call) else mark, "outside", trusted=known.is_wrapper)

    def types(self, nodes: Iterable[ast.expr]) -> None:
        """Judge the calls in annotations and bases; operators (`A | None`, `list[A]`) are those of types."""
        for node in nodes:
            self.values(inner for inner in walk(node) if isinstance(inner, ast.Call))

    def condition(self, kind: str, node: ast.expr) -> None:
        """Ask something of what a dotted name stands for."""
        chain = chain_of(node)
        names = full_names(node, self.bindings)
        self.conditions |= {f"{kind} {full}" for full in names}
        if not chain:
            self.refuse()
        elif chain[0] in self.own and chain[0] not in self.local:
            self.conditions.add(f"{kind} .{chain[0]}")
        elif not names and chain[0] not in self.local and not _is_everywhere(chain[0]):
            self.refuse()  # from a star import, perhaps


def _is_everywhere(name: str) -> bool:
    return hasattr(builtins, name) or (name.startswith("__") and name.endswith("__"))


def _expressions(node: ast.AST) -> list[ast.expr]:
    found: list[ast.expr] = []
    for child in children(node):
        found += [child] if isinstance(child, ast.expr) else _expressions(child)
    return found
