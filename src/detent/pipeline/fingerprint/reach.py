"""From some names to every definition, package and file that their results may depend on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from detent.pipeline.fingerprint.known import DOC_READERS
from detent.pipeline.fingerprint.locate import all_files, native_files
from detent.pipeline.fingerprint.node import FILE, IMPORT, NAME, WHOLE, Node, digest
from detent.pipeline.fingerprint.read import source_text
from detent.pipeline.fingerprint.sheet import Mark
from detent.pipeline.fingerprint.web import Web


@dataclass(slots=True)
class Reach:
    """What some names reach, directly or through others."""

    sources: dict[str, str] = field(default_factory=dict)  # component -> normalised text
    components: dict[str, str] = field(default_factory=dict)  # component -> sha256 of that text
    packages: set[str] = field(default_factory=set)  # imported from outside the project
    files: dict[str, str] = field(default_factory=dict)  # relative to the project folder -> sha256 of the bytes
    missing: set[str] = field(default_factory=set)  # files that would be used if they were there
    marks: int = 0  # `Mark`s

    def copy(self) -> Reach:
        """Return one that can be added to."""
        kept = {name: getattr(self, name).copy() for name in Reach.__slots__ if name != "marks"}
        return Reach(**kept, marks=self.marks)


class Reacher:
    """Walks the graph of a project. Steps that lean on the same definitions share what lies behind those."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._known: dict[frozenset[Node], Reach] = {}

    def reach(self, names: Iterable[tuple[str, str]]) -> Reach:
        """Return what some (module, name) pairs reach.

        Raises:
            ProjectError: a project file is no valid Python.
        """
        web = self._web
        first = {edge for module, name in names for edge in web.start(module, name).edges}
        own = {node for node in map(web.look, first) if node.kind == NAME}
        behind = frozenset({edge for node in own for edge in node.edges} | first) - own
        if any(node.marks or not DOC_READERS.isdisjoint(node.packages) for node in own):
            return _walk(web, first)  # these decide how everything else is read
        if behind not in self._known:
            self._known[behind] = _walk(web, behind)
        found = self._known[behind].copy()
        for node in own:
            found.packages |= node.packages
            found.missing |= node.missing
            _note(web, node, found)
        return found


def _walk(web: Web, nodes: Iterable[Node]) -> Reach:
    """Return all that can be reached from some nodes."""
    seen: set[Node] = set()
    todo = list(nodes)
    found = Reach()
    while todo:
        seen.update(todo)
        while todo:
            node = web.look(todo.pop())
            found.marks |= node.marks
            found.packages |= node.packages
            found.missing |= node.missing
            fresh = node.edges - seen
            seen |= fresh
            todo += fresh
        todo = [node for node in _unwritten(web, seen, found) if node not in seen]
    if not DOC_READERS.isdisjoint(found.packages):
        found.marks |= Mark.DOCS
    for node in seen:
        _note(web, node, found)
    return found


def _note(web: Web, node: Node, found: Reach) -> None:
    """Write down the text of a node and the file that it stands in."""
    documented = found.marks & Mark.DOCS
    if node.component:
        text = node.documented() if documented else node.text
        found.sources[node.component] = text
        found.components[node.component] = digest(text) if documented else node.digest
    if node.kind == FILE:
        file = web.files.relative(node.name)
        found.files[file] = web.files.sha(file)
    module = node.module
    if node.kind != IMPORT or module is None or not module.file:
        return
    found.files[web.files.relative(module.path)] = module.sheet.sha
    more = {}
    if documented and module.sheet.docs:
        more[f"{module.file}:module docstring"] = module.sheet.docs
    if found.marks & Mark.SOURCE and not module.is_native:
        more[f"{module.file}:whole text"] = source_text(web.files.read(module.path))
    found.sources |= more
    found.components |= {name: digest(text) for name, text in more.items()}


def _unwritten(web: Web, seen: Iterable[Node], found: Reach) -> list[Node]:
    """Return what code reaches by words that matter only because it starts programs, or changes the search path."""
    nodes: list[Node] = []
    if found.marks & Mark.PROCESSES:
        words = {text for node in seen for one in node.statements for text in one.uses.strings if text.isidentifier()}
        modules = [web.files.find(word) for word in words if web.files.path.root_of(word, hooks=False)]
        nodes += [web.node(WHOLE, module=module) for module in modules if module]
    if found.marks & Mark.NATIVE:
        nodes += [web.node(FILE, path) for path in native_files(str(web.files.folder))]
    if found.marks & Mark.PATHS:
        modules = {node.module.name for node in seen if node.module}
        nodes += [web.script(path) for path in _elsewhere(web, {_top(name) for name in {*modules, *found.packages}})]
    return nodes


def _top(name: str) -> str:
    return name.partition(".")[0]


def _elsewhere(web: Web, names: set[str]) -> list[str]:
    """Return the files that some modules may lie in: in any folder of the project, or in an archive."""
    paths = []
    for path in all_files(str(web.files.folder)):
        parts = path[len(str(web.files.folder)) + 1 :].removesuffix(".py").split("/")[1:]
        if path.endswith((".zip", ".whl", ".egg")) or (path.endswith(".py") and not names.isdisjoint(parts)):
            paths.append(path)
    return paths
