"""From one name to every definition that its result may depend on."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Sequence

from detent.pipeline.fingerprint.effects import Bindings, is_step_mark
from detent.pipeline.fingerprint.module import Files, Module
from detent.pipeline.fingerprint.references import References, references_of

_TOP_LEVEL = "top level"


class Reach:
    """The definitions that some names reach, directly or through others, inside a project.

    `components` maps what was reached ("features.py:clean", "features.py" for a whole file, "features.py:top level" for
    what happens when it is imported) to the digest of its normalised syntax; `packages` are the imported packages from
    outside; `files` maps each file that was looked at to the sha256 of its bytes.
    """

    def __init__(self, files: Files) -> None:
        self.components: dict[str, str] = {}
        self.packages: set[str] = set()
        self.files: dict[str, str] = {}
        self._project = files
        self._touched: dict[str, Module] = {}
        self._whole: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._todo: list[tuple[Module, ast.AST]] = []  # syntax whose names are not followed yet
        self._texts_matter = False

    def follow(self, module: str, name: str) -> None:
        """Take in a name of a module and all that it reaches.

        Raises:
            ProjectError: a project file is no valid Python.
        """
        self._attribute(module, (name,))
        while self._todo:
            owner, node = self._todo.pop()
            self._apply(owner, references_of(node, owner))
        if self._texts_matter:
            for touched in self._touched.values():
                self.components[f"{touched.file}:text"] = touched.sha

    def _apply(self, owner: Module, found: References) -> None:
        self._texts_matter |= found.reads_source
        if found.anything:
            for name in self._project.all_names():
                self._take_whole(name)
        if found.own_module:
            self._take_whole(owner.name)
        for name in found.imports:
            self._import(name)
        for root, chain in found.names:
            if root in owner.definitions or (root not in owner.bindings and root not in found.bindings):
                self._definition(owner, root)
            for bindings in (owner.bindings, found.bindings):
                self._bound(bindings, root, chain)

    def _bound(self, bindings: Bindings, root: str, chain: tuple[str, ...]) -> None:
        for binding in bindings.get(root, ()):
            self._attribute(binding.module, chain if binding.name is None else (binding.name, *chain))

    def _attribute(self, module: str, chain: tuple[str, ...]) -> None:
        """Take in `module.a.b`: submodules as far as they go, then a name in the last one; no name means all of it."""
        found = self._import(module)
        while found is not None and chain:
            deeper = self._project.find(f"{found.name}.{chain[0]}")
            if chain[0] in found.definitions or chain[0] in found.bindings:
                self._definition(found, chain[0])
                if deeper is None:
                    return
            if deeper is None:
                self._unknown(found, chain[0])
                return
            found, chain = self._import(deeper.name), chain[1:]
        if found is not None:
            self._take_whole(found.name)  # the module itself is handed around: anything in it may be used

    def _import(self, name: str) -> Module | None:
        """Take in what importing a module does; return the module when it is the project's."""
        parts = name.split(".")
        module: Module | None = None
        for count in range(1, len(parts) + 1):
            module = self._project.find(".".join(parts[:count]))
            if module is None:
                if count == 1:
                    self.packages.add(parts[0])
                return None
            self._touch(module)
        return module

    def _touch(self, module: Module) -> None:
        if module.name in self._touched or not module.file:
            return
        self._touched[module.name] = module
        self.files[module.file] = module.sha
        if module.effects:
            self._add(module, f"{module.file}:{_TOP_LEVEL}", module.effects)
        for name in module.imported:
            self._import(name)
        for name in module.stars:
            if self._project.find(name) is not None:
                self._take_whole(name)

    def _definition(self, module: Module, name: str) -> None:
        if (module.name, name) in self._seen:
            return
        self._seen.add((module.name, name))
        self._touch(module)
        if name in module.definitions:
            self._add(module, f"{module.file}:{name}", module.definitions[name])
        self._bound(module.bindings, name, ())

    def _unknown(self, module: Module, name: str) -> None:
        """A name that the file does not define was put there in some other way, so all of the file may matter."""
        if name == "__doc__":
            self._texts_matter = True
        elif not (name.startswith("__") and name.endswith("__")) or name == "__dict__":
            self._take_whole(module.name)

    def _take_whole(self, name: str) -> None:
        module = self._import(name)
        if module is None or name in self._whole:
            return
        self._whole.add(name)
        if not module.file:  # a folder without __init__.py: every file in it
            for inner in self._project.all_names():
                if inner.startswith(name + "."):
                    self._take_whole(inner)
            return
        self._add(module, module.file, module.tree.body)
        for bound in module.bindings:
            self._bound(module.bindings, bound, ())

    def _add(self, module: Module, component: str, statements: Sequence[ast.stmt]) -> None:
        text = "\n".join(self._text(module, statement) for statement in statements)
        self.components[component] = hashlib.sha256(text.encode()).hexdigest()
        self._todo += [(module, statement) for statement in statements]

    def _text(self, module: Module, statement: ast.stmt) -> str:
        known = self._project.texts
        if id(statement) not in known:
            known[id(statement)] = normalised(statement, module.bindings)
        return known[id(statement)]


def normalised(statement: ast.stmt, bindings: Bindings) -> str:
    """Return a statement's syntax without comments, formatting, docstrings and `@step` marks."""
    return ast.dump(_Bare(bindings).visit(copy.deepcopy(statement)))


class _Bare(ast.NodeTransformer):
    """Takes away what changes no result."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body: list[ast.stmt] = node.body  # pyright: ignore[reportAttributeAccessIssue]
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = body[1:] or [ast.Pass()]  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.decorator_list = [mark for mark in node.decorator_list if not is_step_mark(mark, self._bindings)]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _strip
