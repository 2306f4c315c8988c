"""Which names does a piece of syntax use, and does it do something that names can't show?"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from detent.pipeline.fingerprint.effects import Binding, dotted_names
from detent.pipeline.fingerprint.module import Module, import_bindings, imported_modules
from detent.pipeline.fingerprint.scopes import Function, Names, names_of, targets_of

# Calls through which code reaches things that are not written down. What stands behind them is a matter of fallback:
# rather too much is taken in than too little.
_OWN_MODULE = frozenset({"compile", "eval", "exec", "globals", "locals", "vars"})
_BY_NAME = frozenset({"getattr", "setattr", "delattr"})
_IMPORTS = frozenset({"importlib.import_module", "__import__", "builtins.__import__"})
_ANYTHING = ("importlib.reload", "importlib.util", "importlib.machinery", "pkgutil", "runpy", "sys.modules", "imp")
_SOURCE = ("inspect.getsource", "inspect.getsourcelines", "inspect.getdoc", "inspect.getcomments", "linecache", "dis")


@dataclass(slots=True)
class References:
    """What a piece of syntax refers to."""

    names: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)  # (name, attributes after it)
    bindings: dict[str, list[Binding]] = field(default_factory=dict)  # imports inside functions
    imports: list[str] = field(default_factory=list)  # modules that such imports execute
    own_module: bool = False  # anything in its module may be used
    anything: bool = False  # anything in the project may be used
    reads_source: bool = False  # comments and docstrings may matter


def references_of(node: ast.AST, module: Module) -> References:
    """Return what the syntax of a top-level statement refers to, outside its own local variables."""
    visitor = _Visitor(module)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            visitor.note_import(inner)
    visitor.visit(node)
    return visitor.found


class _Visitor(ast.NodeVisitor):
    def __init__(self, module: Module) -> None:
        self.found = References()
        self._module = module
        self._scopes: list[Names] = []  # of the functions and comprehensions around, innermost last

    def note_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, binding in import_bindings(node, self._module.package):
            self.found.bindings.setdefault(name, []).append(binding)
        self.found.imports += imported_modules(node, self._module.package)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outside in [*node.decorator_list, *_annotations(node), *_defaults(node)]:
            self.visit(outside)
        self._within(names_of(node), node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for outside in _defaults(node):
            self.visit(outside)
        self._within(names_of(node), [node.body])

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehension(node.generators, [node.elt])

    visit_SetComp = visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        self.visit(generators[0].iter)  # the first iterable is computed outside
        inner: list[ast.AST] = [*results, *(test for part in generators for test in part.ifs)]
        inner += [part.iter for part in generators[1:]]
        self._within(targets_of(generators), inner)

    def _within(self, names: Names, nodes: Sequence[ast.AST]) -> None:
        self._scopes.append(names)
        for node in nodes:
            self.visit(node)
        self._scopes.pop()

    def _is_local(self, name: str) -> bool:
        # A class body is no scope to the functions in it, and inside it a name may still be the module's (`x = x`).
        for names in reversed(self._scopes):
            if name in names.outside:
                return False
            if name in names.local:
                return True
        return False

    def visit_Name(self, node: ast.Name) -> None:
        self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "__doc__":
            self.found.reads_source = True
        self._use(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _BY_NAME and len(node.args) > 1:
            self._use_by_name(node)
        elif any(full in _IMPORTS for full in [name, *self._full_names(node.func)]):
            self._use_import(node)
        else:
            self.generic_visit(node)

    def _use(self, node: ast.expr) -> None:
        """Note `a.b.c`; below something that is no name (`f(x).b`) there are names of its own."""
        chain: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner)
            return
        if self._is_local(inner.id):
            return
        self.found.names.add((inner.id, tuple(chain)))
        self.found.own_module |= inner.id in _OWN_MODULE
        for full in [inner.id, *self._full_names(node)]:
            self.found.anything |= full in _IMPORTS or _below(full, _ANYTHING)
            self.found.reads_source |= _below(full, _SOURCE)
        self.found.reads_source |= inner.id == "__doc__"

    def _use_by_name(self, node: ast.Call) -> None:
        """`getattr(x, "name")` is `x.name`; with a computed name it may be anything that x has."""
        target, name = node.args[0], node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self._use(ast.Attribute(target, name.value, ast.Load()))
        else:
            self._use(target)
            # When x is an imported module, using it as a value takes in all of it. Else nobody knows what x is.
            if not self._full_names(target):
                self.found.own_module = True
        for argument in [*node.args[1:], *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)

    def _use_import(self, node: ast.Call) -> None:
        """`import_module("x")` may use anything in x; with a computed name, anything in the project."""
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
            self.found.bindings.setdefault(first.value, []).append(Binding(first.value, None))
            self.found.names.add((first.value, ()))
        else:
            self.found.anything = True
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)

    def _full_names(self, node: ast.expr) -> list[str]:
        return [*dotted_names(node, self._module.bindings), *dotted_names(node, self.found.bindings)]


def _defaults(node: Function) -> list[ast.expr]:
    return [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [argument.annotation for argument in every if argument is not None]
    return [annotation for annotation in [*annotations, node.returns] if annotation is not None]


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)
