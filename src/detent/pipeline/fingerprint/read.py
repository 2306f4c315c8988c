"""A file's bytes -> its sheet: what it defines, imports and does when it is imported. Pure."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import sys
import tokenize
import warnings
from collections.abc import Iterator

from detent.pipeline.fingerprint.calls import judge
from detent.pipeline.fingerprint.names import (
    full_names,
    import_bindings,
    is_main_guard,
    is_type_checking,
    source_of,
)
from detent.pipeline.fingerprint.normal import is_text, strip, text_of
from detent.pipeline.fingerprint.references import References
from detent.pipeline.fingerprint.scopes import bound_names, walk
from detent.pipeline.fingerprint.sheet import Sheet, Statement

_DEPTH = 30_000
_COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.With, ast.For, ast.While, ast.Match)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Import = ast.Import | ast.ImportFrom


def read_sheet(source: bytes, package: str) -> Sheet:
    """Return what is to be known of a file; `package` is what its relative imports start from.

    Raises:
        SyntaxError, ValueError: the bytes are no valid Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python itself warns of bad escapes when it imports the file
        tree = ast.parse(source)
    with _deep_enough():
        return _Reader(source, package).read(tree)


def source_text(source: bytes) -> str:
    """Return the text of a source file, whatever its encoding and line ends."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return io.TextIOWrapper(io.BytesIO(source), encoding, newline=None).read()
    except (SyntaxError, UnicodeDecodeError):
        return source.decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def _deep_enough() -> Iterator[None]:
    """Let functions call themselves for each level of the deepest syntax that Python compiles."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


class _Reader:
    def __init__(self, source: bytes, package: str) -> None:
        self._sheet = Sheet(sha=hashlib.sha256(source).hexdigest())
        self._package = package
        self._lines = source_text(source).splitlines()
        self._lazy = False  # annotations are not evaluated
        self._defined: list[set[str]] = []  # names that each statement binds
        self._own: frozenset[str] = frozenset()
        self._marks: dict[str, list[str]] = {}  # names that may be marks like `step`: imported, and not bound again

    def read(self, tree: ast.Module) -> Sheet:
        sheet = self._sheet
        sheet.docs = ast.get_docstring(tree, clean=False) or ""
        body = list(_executed(tree.body, self._typing_imports(tree.body)))
        self._defined = [_defined(node) for node in body]
        self._lazy = any(isinstance(node, ast.ImportFrom) and _is_lazy(node) for node in body)
        self._own = frozenset(name for names in self._defined for name in names)
        for index, node in enumerate(body):
            self._note_names(index, node)
        self._marks = {name: bound for name, bound in sheet.bindings.items() if name not in self._own}
        for index, node in enumerate(body):
            sheet.statements.append(self._statement(index, node))
        events = list(sheet.events)
        sheet.script = [self._statement(-1, node) for node in tree.body if is_main_guard(node)]
        sheet.events = events
        return sheet

    def _statement(self, index: int, node: ast.stmt) -> Statement:
        sheet, found = self._sheet, Statement()
        strip(node, self._marks, found.docs)
        references = References(sheet.bindings, self._package, lazy=self._lazy)
        references.read(node)
        found.uses, found.early, found.calls = references.found, sorted(references.early), references.calls
        if found.docs:
            found.readers = sorted(_readers(node, sheet.bindings))
        with contextlib.suppress(RecursionError):  # too deep to judge: it stays "always"
            judge(found, node, sheet.bindings, self._own, lazy=self._lazy)
        sheet.events += [(index, module) for module in references.early_imports]
        if found.effect:
            sheet.events.append((index, ""))
        found.text = text_of(node, self._lines)
        if self._lazy and _is_annotated(node):
            found.text += "\n# from __future__ import annotations"
        return found

    def _note_names(self, index: int, node: ast.stmt) -> None:
        sheet = self._sheet
        for name in sorted(self._defined[index]):
            sheet.definitions.setdefault(name, []).append(index)
        if isinstance(node, _Import):
            for name, binding in import_bindings(node, self._package):
                sheet.imported.setdefault(name, []).append((index, binding))
        nodes = walk(node) if isinstance(node, _COMPOUND) else [node]
        for inner in (inner for inner in nodes if isinstance(inner, _Import)):
            for name, binding in import_bindings(inner, self._package):
                known = sheet.bindings.setdefault(name, [])
                known += [] if binding in known else [binding]
            if isinstance(inner, ast.ImportFrom) and inner.names[0].name == "*":
                sheet.stars.append(source_of(inner, self._package))

    def _typing_imports(self, body: list[ast.stmt]) -> dict[str, list[str]]:
        """Return what the plain top-level imports bind, names that are assigned as well left out."""
        found: dict[str, list[str]] = {}
        for node in body:
            if isinstance(node, _Import):
                for name, binding in import_bindings(node, self._package):
                    found.setdefault(name, []).append(binding)
        assigned = {node.id for one in body if not isinstance(one, _DEFINITIONS) for node in _stored(one)}
        return {name: bindings for name, bindings in found.items() if name not in assigned}


def _executed(body: list[ast.stmt], bindings: dict[str, list[str]]) -> Iterator[ast.stmt]:
    """Give the statements that run when the module is imported."""
    for node in body:
        if is_main_guard(node) or is_type_checking(node, bindings):
            yield from _executed(node.orelse, bindings)
        elif not is_text(node):
            yield node


def _stored(statement: ast.stmt) -> Iterator[ast.Name]:
    return (node for node in walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _defined(statement: ast.stmt) -> set[str]:
    """Return the names that a top-level statement binds, other than by a plain import.

    Every variant of a conditional definition counts, so each name is bound to the whole statement.
    """
    if isinstance(statement, _DEFINITIONS):
        walrus = (node.target.id for node in walk(statement) if isinstance(node, ast.NamedExpr))
        return {statement.name, *walrus}
    names = {name for node in walk(statement) for name in bound_names(node)}
    if isinstance(statement, _COMPOUND):
        imports = [node for node in walk(statement) if isinstance(node, _Import)]
        names |= {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    return names


def _readers(statement: ast.stmt, bindings: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    for node in walk(statement):
        marks = getattr(node, "decorator_list", [])
        for mark in [*marks, *(node.bases if isinstance(node, ast.ClassDef) else [])]:
            found |= set(full_names(mark.func if isinstance(mark, ast.Call) else mark, bindings))
    return found


def _is_lazy(node: ast.ImportFrom) -> bool:
    return node.module == "__future__" and any(alias.name == "annotations" for alias in node.names)


def _is_annotated(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.AnnAssign)
        or (isinstance(node, ast.arg) and node.annotation is not None)
        or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None)
        for node in walk(statement)
    )
