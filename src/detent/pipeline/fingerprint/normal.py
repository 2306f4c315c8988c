"""A statement -> its text without what changes no result: comments, formatting, docstrings, `@step` marks."""

from __future__ import annotations

import ast

from detent.pipeline.fingerprint.names import full_names
from detent.pipeline.fingerprint.scopes import children, names_of
from detent.pipeline.fingerprint.sheet import Bindings, dotted

_STEP_MARKS = frozenset({"detent.pipeline.step", "detent.pipeline.authoring.step"})
_BODIES = frozenset({"body", "orelse", "finalbody"})
_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def strip(node: ast.AST, bindings: Bindings, docs: dict[str, str], path: str = "") -> None:
    """Take docstrings, texts that stand alone and `@step` marks out of a statement; `docs` gets the docstrings."""
    if isinstance(node, _DOCUMENTED):
        path = f"{path}.{node.name}" if path else node.name
        text = ast.get_docstring(node, clean=False)
        if text is not None:
            docs[path if path not in docs else f"{path} {len(docs)}"] = text
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.decorator_list = [mark for mark in node.decorator_list if not is_step_mark(mark, bindings)]
    elif isinstance(node, ast.Call) and is_step_mark(node.func, bindings):
        node.keywords = []
    elif isinstance(node, ast.Constant):
        node.kind = None  # u"text"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and bindings:
        marks = [name for name, bound in bindings.items() if any(map(_leads_to_mark, bound))]
        local = names_of(node).local if marks else set[str]()  # a parameter may be called `step`, too
        bindings = {name: bindings[name] for name in marks if name not in local}
    for child in children(node):
        strip(child, bindings, docs, path)
    for name in _BODIES.intersection(node._fields):
        body = getattr(node, name)
        if isinstance(body, list) and any(map(is_text, body)):
            setattr(node, name, [inner for inner in body if not is_text(inner)] or [ast.Pass()])


def text_of(statement: ast.stmt, lines: list[str]) -> str:
    """Return the text of a statement.

    Equal syntax gives equal text, and different syntax a different one: the text can be parsed back. What Python can't
    write (a number of thousands of digits, a text with every kind of quote inside an f-string) is given as it stands in
    the file, comments and all.
    """
    try:
        return ast.unparse(statement)
    except (ValueError, RecursionError):
        first = min([statement.lineno, *(mark.lineno for mark in getattr(statement, "decorator_list", []))])
        return "\n".join(lines[first - 1 : statement.end_lineno])


def is_step_mark(node: ast.expr, bindings: Bindings) -> bool:
    """True for `step` and `step(...)`, whose arguments (retries, timeout) change no result."""
    target = node.func if isinstance(node, ast.Call) else node
    names = full_names(target, bindings)
    return bool(names) and all(name in _STEP_MARKS for name in names)


def _leads_to_mark(binding: str) -> bool:
    return any(f"{mark}.".startswith(f"{dotted(binding)}.") for mark in _STEP_MARKS)


def is_text(node: ast.AST) -> bool:
    """True for a text that stands alone, which Python drops: a docstring, or a note below a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
