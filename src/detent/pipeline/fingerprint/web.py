"""Definitions, and which of them refer to which: the graph that a function's dependencies are read from.

Each node is made, and its references are looked up, once, whatever number of steps reach it.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from detent.pipeline.fingerprint.harmless import is_quiet
from detent.pipeline.fingerprint.known import QUIET
from detent.pipeline.fingerprint.module import Files, Module
from detent.pipeline.fingerprint.node import BELOW, FILE, IMPORT, NAME, WHOLE, Node
from detent.pipeline.fingerprint.order import Order
from detent.pipeline.fingerprint.sheet import Mark, Uses, split_binding

_TOP_LEVEL = "top level"
_SCRIPTS = (".py", ".sh", ".sql", ".R", ".jl", ".pl", ".js")
_SCRIPT_SIZE = 1_000_000  # bytes: a longer file that a text names is data
_ANY_FILE = "**/*.py"


class Web:
    """The graph of one project, which grows as it is walked."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._order = Order(files)
        self._nodes: dict[tuple[str, str, str], Node] = {}
        self._followed: list[tuple[str, tuple[str, ...]]] = []  # imports that are being followed just now
        self._looks = {
            IMPORT: self._look_at_import, NAME: self._look_at_name, WHOLE: self._look_at_whole,
            BELOW: self._look_below, FILE: self._look_at_file,
        }  # fmt: skip

    def look(self, node: Node) -> Node:
        """Return the node with its text and references.

        Raises:
            ProjectError: a project file is no valid Python.
        """
        if not node.is_known:
            self._looks[node.kind](node)
            for name in {top.partition(".")[0] for top in node.packages}:
                node.missing |= set(self.files.missing.get(name, ()))
            node.is_known = True
        return node

    def start(self, module: str, name: str) -> Node:
        """Return a node that refers to a name of a module."""
        node = Node("start", name, is_known=True)
        self._attribute(node, module, tuple(name.split(".")))
        return node

    def node(self, kind: str, name: str = "", module: Module | None = None) -> Node:
        """Return the one node of that kind."""
        key = (kind, module.name if module else "", name)
        if key not in self._nodes:
            self._nodes[key] = Node(kind, name, module)
        return self._nodes[key]

    def _look_at_import(self, node: Node) -> None:
        """Take in what happens when a module is imported."""
        module = _known(node)
        sheet = module.sheet
        if module.is_native:
            node.component, node.text = module.file, _compiled(sheet.sha)
        turns = self._order.turns(module)
        if len(turns) > 1 or any(turn.statement for turn in turns):
            node.component = f"{module.file}:{_TOP_LEVEL}"
            node.text = "\n".join(turn.text for turn in turns)
        for turn in turns:
            if turn.statement:
                node.statements.append(turn.statement)
                self._use(node, module, turn.statement.uses)
        for _, name in sheet.events:
            if name:
                self._load(node, name, named=False)
        for name in sheet.stars:
            found = self._load(node, name, named=True)
            if found is not None and _defines(found, "__all__"):
                node.edges.add(self.node(NAME, "__all__", found))
        self._look_at_lazy_names(node, module)

    def _look_at_lazy_names(self, node: Node, module: Module) -> None:
        """`from x import y` calls the `__getattr__` of x when x does not define y."""
        for bindings in module.sheet.bindings.values():
            for source, inside in map(split_binding, bindings):
                found = self.files.find(source) if inside else None
                if found is None or "__getattr__" not in found.sheet.definitions or _defines(found, inside[0]):
                    continue
                if self.files.find(f"{source}.{inside[0]}") is None:
                    self._take_whole(node, source)

    def _look_at_name(self, node: Node) -> None:
        module = _known(node)
        node.component = f"{module.file}:{node.name}"
        node.edges.add(self.node(IMPORT, module=module))
        node.text = self._order.text_of(module, node.name)
        node.statements = [module.sheet.statements[place] for place in module.sheet.definitions.get(node.name, ())]
        for statement in node.statements:
            self._use(node, module, statement.uses)
            if any(
                not is_quiet(name) and self.files.find(name.partition(".")[0]) is None for name in statement.readers
            ):
                node.text = node.documented()  # decorators and bases from packages may put docstrings to use

    def _look_at_whole(self, node: Node) -> None:
        module = _known(node)
        node.edges.add(self.node(IMPORT, module=module))
        if module.is_package:
            node.edges.add(self.node(BELOW, module.name))
        if not module.file or module.is_native:
            return
        node.statements = [*module.sheet.statements, *module.sheet.script]
        node.component, node.text = module.file, "\n".join(one.text for one in node.statements)
        for statement in node.statements:
            self._use(node, module, statement.uses)
        for bindings in module.sheet.bindings.values():
            for binding in bindings:
                self._follow(node, binding, ())
        for name in module.sheet.stars:
            self._take_whole(node, name)

    def _look_below(self, node: Node) -> None:
        """Take in every file below a package, or of the whole project."""
        place = f"{node.name.replace('.', '/')}/" if node.name else ""
        node.missing.add(place + _ANY_FILE)
        for name, path in self.files.below(node.name):
            module = self._load(node, name, named=False) if name else None
            if module is not None and module.file:
                node.edges.add(self.node(WHOLE, module=module))
            else:
                node.edges.add(self.node(FILE, path))

    def _look_at_file(self, node: Node) -> None:
        data = self.files.read(node.name)
        node.component = self.files.shown(node.name)
        is_text = node.name.endswith(_SCRIPTS)
        node.text = data.decode("utf-8", "backslashreplace") if is_text else _compiled(hashlib.sha256(data).hexdigest())

    def _use(self, node: Node, module: Module, uses: Uses) -> None:
        """Add what some syntax of a module refers to."""
        node.marks |= uses.marks
        if uses.marks & Mark.OWN_MODULE:
            node.edges.add(self.node(WHOLE, module=module))
        if uses.marks & Mark.ANYTHING:
            node.edges |= {self.node(BELOW), self.node(BELOW, module.name.partition(".")[0])}
        for name in uses.imports:
            if name.endswith(".*"):
                self._load(node, name[:-2], named=True)
                node.edges.add(self.node(BELOW, name[:-2]))
            else:
                self._load(node, name, named=True)
        for name in uses.names:
            if name.endswith(":"):
                self._attribute(node, name[:-1], ())
                continue
            root, *chain = name.split(".")
            self._named(node, module, (root, *chain))
            for binding in uses.bindings.get(root, ()):
                self._follow(node, binding, tuple(chain))
            if module.sheet.stars and not self._through_stars(node, module, (root, *chain)):
                self._take_star_sources(node, module, root, uses)
        for text in uses.strings:
            self._use_text(node, module, text)

    def _use_text(self, node: Node, module: Module, text: str) -> None:
        """A text like "helpers.clean" or "train.py" may name code of the project, and "sklearn.svm" a package."""
        if text.endswith(_SCRIPTS):
            for folder in dict.fromkeys([str(self.files.folder), module.path.rpartition("/")[0]]):
                path = Path(folder, text)
                if path.is_file() and path.stat().st_size <= _SCRIPT_SIZE:
                    node.edges.add(self.script(str(path)))
        top, *rest = text.replace(":", ".").split(".")
        if not rest or not top.isidentifier():
            return
        found = self.files.find(top) if self.files.path.root_of(top, hooks=False) else None
        if found is None and self.files.path.is_installed(top):
            node.packages.add(text.replace(":", ".") if top == "detent" else top)
        while found is not None and rest:
            if _defines(found, rest[0]):
                self._refer(node, found, tuple(rest))
                return
            found, rest = self.files.find(f"{found.name}.{rest[0]}"), rest[1:]
        if found is not None:
            self._take_whole(node, found.name)

    def script(self, path: str) -> Node:
        """Return the node of a file: of a module when it can be one."""
        place = self.files.relative(path)
        name = place.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        module = self.files.find(name) if place.endswith(".py") and not place.startswith("..") else None
        return self.node(WHOLE, module=module) if module and module.path == path else self.node(FILE, path)

    def _follow(self, node: Node, binding: str, chain: tuple[str, ...]) -> None:
        """Take in what an imported name stands for; modules may hand a name back to each other."""
        step = (binding, chain)
        if step not in self._followed:
            self._followed.append(step)
            source, inside = split_binding(binding)
            self._attribute(node, source, (*inside, *chain))
            self._followed.pop()

    def _attribute(self, node: Node, name: str, chain: tuple[str, ...]) -> None:
        """Take in `module.a.b`."""
        found = self._load(node, name, named=True, chain=chain)
        if found is not None:
            self._refer(node, found, chain)

    def _refer(self, node: Node, found: Module, chain: tuple[str, ...]) -> None:
        """Take in submodules as far as a chain goes, then a name in the last one; no name means all of it."""
        while chain:
            deeper = self.files.find(f"{found.name}.{chain[0]}")
            self._named(node, found, chain)
            known = self._through_stars(node, found, chain) or _defines(found, chain[0])
            if deeper is None and not known:
                self._unknown(node, found, chain)
            if deeper is None:
                return
            node.edges.add(self.node(IMPORT, module=deeper))
            found, chain = deeper, chain[1:]
        self._take_whole(node, found.name)  # the module itself is handed around: anything in it may be used

    def _named(self, node: Node, found: Module, chain: tuple[str, ...]) -> None:
        """Take in a name of a module, if it is defined there, and what it stands for if it is imported there."""
        if _defines(found, chain[0]):
            node.edges.add(self.node(NAME, chain[0], found))
        for binding in found.sheet.bindings.get(chain[0], ()):
            self._follow(node, binding, chain[1:])

    def _through_stars(self, node: Node, module: Module, chain: tuple[str, ...]) -> bool:
        """Take in what `from x import *` may bind a name to; return False when none of those files defines it."""
        known = False
        for found in self._star_sources(module):
            if _defines(found, chain[0]):
                self._named(node, found, chain)
                known = True
            elif self.files.find(f"{found.name}.{chain[0]}"):
                self._attribute(node, f"{found.name}.{chain[0]}", chain[1:])
                known = True
        return known

    def _take_star_sources(self, node: Node, module: Module, name: str, uses: Uses) -> None:
        """Take in all star imports for a name that no file defines: one of them may make it when it is imported."""
        if not (_defines(module, name) or name in uses.bindings or hasattr(builtins, name)):
            for found in self._star_sources(module):
                self._take_whole(node, found.name)

    def _star_sources(self, module: Module) -> list[Module]:
        """Return the modules whose names a module gets by `from x import *`, directly or through each other."""
        found, todo = {module.name: module}, [module]
        while todo:
            for name in todo.pop().sheet.stars:
                source = self.files.find(name)
                if source is not None and name not in found:
                    found[name] = source
                    todo.append(source)
        return list(found.values())[1:]

    def _unknown(self, node: Node, found: Module, chain: Sequence[str]) -> None:
        """A name that a file does not define was put there in some other way, so all of the file may matter."""
        name = chain[0]
        if self.files.path.is_shared(found.name) and not found.file:
            node.packages.add(found.name)
        if not (name.startswith("__") and name.endswith("__")) or name == "__dict__":
            self._take_whole(node, found.name)

    def _take_whole(self, node: Node, name: str) -> None:
        module = self._load(node, name, named=True)
        if module is not None:
            node.edges.add(self.node(WHOLE, module=module))

    def _load(self, node: Node, name: str, *, named: bool, chain: Iterable[str] = ()) -> Module | None:
        """Take in what importing a module does; return the module when it is the project's.

        `named` says that the code names it, and does not just import it.
        """
        parts = name.split(".")
        module: Module | None = None
        for count in range(1, len(parts) + 1):
            part = ".".join(parts[:count])
            module = self.files.find(part)
            if module is None:
                node.missing |= set(self.files.missing.get(part, ()))
                if count == 1 or self.files.path.is_shared(parts[0]):
                    self._load_package(node, ".".join([name, *chain]), named=named)
                return None
            node.edges.add(self.node(IMPORT, module=module))
        return module

    def _load_package(self, node: Node, name: str, *, named: bool) -> None:
        top = name.partition(".")[0]
        if top and (named or top not in QUIET):
            node.packages.add(name if top == "detent" else top)


def _compiled(sha: str) -> str:
    return f"# a file that is no text, with sha256 {sha}"


def _defines(module: Module, name: str) -> bool:
    return name in module.sheet.definitions or name in module.sheet.bindings


def _known(node: Node) -> Module:
    assert node.module is not None
    return node.module
