"""Which names does a piece of syntax use, and does it do something that names can't show?"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from detent.pipeline.fingerprint import known
from detent.pipeline.fingerprint.marks import marks_of, marks_of_attribute
from detent.pipeline.fingerprint.names import chain_of, full_names, import_bindings, imported_modules
from detent.pipeline.fingerprint.scopes import Names, annotations_of, children, defaults_of, names_of, targets_of, walk
from detent.pipeline.fingerprint.sheet import Bindings, Mark, Uses

_DOTTED = re.compile(r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+", re.ASCII)
_PROGRAM = re.compile(r"[\w./ -]+\.(py|sh|sql|R|jl|pl|js)", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FORMS = (_WORD, _DOTTED, _PROGRAM)
_LONGEST_NAME = 200
_LONGEST_CODE = 100_000
_HERE = (["__package__"], ["__name__"])


class References(ast.NodeVisitor):
    """Collects what the syntax of a top-level statement refers to, outside its own local variables.

    `found` is everything; `early` are the names that are read, and `early_imports` the modules that are imported, when
    the module is; `calls` says whether anything is called then.
    """

    def __init__(self, bindings: Bindings, package: str, *, lazy: bool) -> None:
        self.found = Uses()
        self.early: set[str] = set()
        self.early_imports: list[str] = []
        self.calls = False
        self._names: set[str] = set()
        self._strings: set[str] = set()
        self._bindings = bindings
        self._package = package
        self._lazy = lazy  # annotations are not evaluated
        self._scopes: list[Names] = []  # of the functions and comprehensions around, innermost last
        self._later = 0  # functions around whose bodies run later

    def read(self, statement: ast.stmt) -> None:
        """Take in a statement.

        A statement that is nested too deeply for Python's own limits is taken for one that may do anything.
        """
        try:
            self._note_imports(statement)
            self.visit(statement)
        except RecursionError:
            self._names |= {inner.id for inner in walk(statement) if isinstance(inner, ast.Name)}
            self._mark(Mark.ANYTHING | Mark.OWN_MODULE)
        self.found.names, self.found.strings = sorted(self._names), sorted(self._strings)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        """Note an import that runs when the module is imported."""
        if not self._later:
            self.early_imports += imported_modules(node, self._package)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Visit a function: what is computed where it is defined, then its body."""
        for outside in [*node.decorator_list, *defaults_of(node)]:
            self.visit(outside)
        self.calls |= bool(node.decorator_list) and not self._later
        for annotation in annotations_of(node):
            self._annotation(annotation)
        parameters: list[ast.AST] = getattr(node, "type_params", [])  # Python 3.12
        self._within(names_of(node), [*parameters, *node.body], later=True)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Visit a lambda like a function."""
        for outside in defaults_of(node):
            self.visit(outside)
        self._within(names_of(node), [node.body], later=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Visit a class: decorators and metaclasses are called where it is defined."""
        self.calls |= bool(node.decorator_list or node.keywords) and not self._later
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Visit an annotated name."""
        self._annotation(node.annotation)
        for part in (node.target, node.value):
            if part is not None:
                self.visit(part)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        """Visit a comprehension, which has a scope of its own."""
        self._comprehension(node.generators, [node.elt])

    visit_SetComp = visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        """Visit a comprehension, which has a scope of its own."""
        self._comprehension(node.generators, [node.key, node.value])

    def visit_Name(self, node: ast.Name) -> None:
        """Note a name that is read, or assigned in a function that declares it `global`."""
        if isinstance(node.ctx, ast.Load) or any(node.id in names.outside for names in self._scopes):
            self._use(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Visit `x += 1`, which reads x."""
        if isinstance(node.target, ast.Name):
            self._use(ast.Name(node.target.id, ast.Load()))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Note a dotted name, and attributes that lead anywhere."""
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            self._mark(marks_of_attribute(inner.attr))
            inner = inner.value
        self._use(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """A text may name code: for an importer, a starter of programs, a table of plug-ins."""
        text = node.value
        if isinstance(text, str) and "import " in text and len(text) <= _LONGEST_CODE:
            self._code(text)  # for `exec`, `timeit`, `python -c`
        # A bare word names code only for those who start programs or look up packages; it is cheap to note.
        if isinstance(text, str) and len(text) <= _LONGEST_NAME and any(form.fullmatch(text) for form in _FORMS):
            self._strings.add(text)

    def visit_Call(self, node: ast.Call) -> None:
        """Visit a call; some reach what is not written down."""
        self.calls |= not self._later
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        names = [name, *self._full_names(node.func)]
        if name in known.BY_NAME and len(node.args) > 1 and not self._is_local(name):
            self._by_name(node)
        elif any(full in known.IMPORTERS for full in names):
            self._import(node, top=any(full.endswith("__import__") for full in names))
        else:
            if name in known.OWN_SCOPE and not node.args and not self._later:
                self._mark(Mark.OWN_MODULE)
            self._code_in_texts(node, names)
            if name not in known.EVALUATORS:
                self.visit(node.func)
            for argument in [*node.args, *node.keywords]:
                self.visit(argument)

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        self.visit(generators[0].iter)  # the first iterable is computed outside
        inner: list[ast.AST] = [*results, *(test for part in generators for test in part.ifs)]
        inner += [part.iter for part in generators[1:]] + [part.target for part in generators]
        self._within(targets_of(generators), inner)

    def _annotation(self, node: ast.expr) -> None:
        """Visit an annotation; texts in it are types that may be looked up when the program runs."""
        self._later += self._lazy
        self.visit(node)
        for text in _types_in_texts(node):
            self._code(text)
        self._later -= self._lazy

    def _code(self, text: str) -> None:
        """Visit Python code in a text; a text that is none is none of our business."""
        try:
            tree = ast.parse(text.strip())
        except (SyntaxError, ValueError):
            return
        self._note_imports(tree)
        self.visit(tree)

    def _note_imports(self, tree: ast.AST) -> None:
        for node in walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for name, binding in import_bindings(node, self._package):
                    self.found.bindings.setdefault(name, []).append(binding)
                self.found.imports += imported_modules(node, self._package)

    def _within(self, names: Names, nodes: Sequence[ast.AST], *, later: bool = False) -> None:
        self._scopes.append(names)
        self._later += later
        for node in nodes:
            self.visit(node)
        self._later -= later
        self._scopes.pop()

    def _is_local(self, name: str) -> bool:
        # A class body is no scope to the functions in it, and inside it a name may still be the module's (`x = x`).
        for names in reversed(self._scopes):
            if name in names.outside:
                return False
            if name in names.local:
                return True
        return False

    def _mark(self, mark: int) -> None:
        self.found.marks |= mark

    def _use(self, node: ast.Name | ast.Attribute) -> None:
        """Note `a.b.c`; below something that is no name (`f(x).b`) there are names of its own."""
        chain = chain_of(node)
        if not chain:
            self.visit(node.value if isinstance(node, ast.Attribute) else node)
        elif not self._is_local(chain[0]):
            self._names.add(".".join(chain))
            if not self._later:
                self.early.add(chain[0])
            if chain[0] == "globals":
                self._mark(Mark.OWN_MODULE)
            if chain[0] in known.EVALUATORS:
                self._mark(Mark.ANYTHING | Mark.OWN_MODULE)  # not called here, so nobody knows with what
            for full in [".".join(chain), *self._full_names(node)]:
                self._mark(marks_of(full))

    def _by_name(self, node: ast.Call) -> None:
        """`getattr(x, "name")` is `x.name`; with a computed name it may be anything that x has."""
        target, name = node.args[0], node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self.visit(ast.Attribute(target, name.value, ast.Load()))
        else:
            self.visit(target)
            # When x is an imported module, using it as a value takes in all of it. Else nobody knows what x is.
            if not self._full_names(target):
                self._mark(Mark.OWN_MODULE)
        for argument in [*node.args[1:], *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)

    def _import(self, node: ast.Call, *, top: bool) -> None:
        """`import_module("x")` may use anything in x; with a computed name, anything in the project."""
        first = node.args[0] if node.args else None
        head = _constant_head(first)
        if head.startswith("."):
            head = self._anchored(head, node)
        if isinstance(first, ast.Constant) and head:
            self._names |= {f"{head}:", *([f"{head.partition('.')[0]}:"] if top else [])}  # the modules themselves
        elif "." in head:
            self.found.imports.append(head.rpartition(".")[0] + ".*")
        else:
            self._mark(Mark.ANYTHING)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)

    def _anchored(self, head: str, node: ast.Call) -> str:
        """Return the full name of `import_module(".x", package)`; "" when the package is computed."""
        anchor = node.args[1] if len(node.args) > 1 else next((keyword.value for keyword in node.keywords), None)
        if isinstance(anchor, ast.Constant):
            package = str(anchor.value)
        else:
            package = self._package if chain_of(anchor or ast.Constant("")) in _HERE else ""
        return package + head if package and not head.startswith("..") else ""

    def _code_in_texts(self, node: ast.Call, names: Sequence[str]) -> None:
        """`eval("f(x)")`, `frame.query("x > @LIMIT")`, `duckdb.sql("select * from frame")`: names stand in texts."""
        first = node.args[0] if node.args else None
        if names[0] in known.EVALUATORS:
            self._mark(Mark.OWN_MODULE)
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                self._code(first.value)
            else:
                self._mark(Mark.ANYTHING)  # nobody knows what it imports
        elif self._reads_frames(node, names):
            texts = [inner.value for inner in walk(node) if isinstance(inner, ast.Constant)]
            words = {word for text in texts if isinstance(text, str) for word in _WORD.findall(text)}
            self._names |= {word for word in words if not self._is_local(word)}
            if first is not None and not isinstance(first, ast.Constant):
                self._mark(Mark.OWN_MODULE)

    def _reads_frames(self, node: ast.Call, names: Sequence[str]) -> bool:
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        duck = any(binding.startswith("duckdb") for bound in self._bindings.values() for binding in bound)
        by_method = method in known.FRAME_METHODS or (method == "execute" and duck)
        return by_method or any(known.below(full, known.FRAME_READERS) for full in names)

    def _full_names(self, node: ast.expr) -> list[str]:
        return [*full_names(node, self._bindings), *full_names(node, self.found.bindings)]


def _constant_head(node: ast.expr | None) -> str:
    """Return the text that a name begins with for certain: all of `"a.b"`, and `a.` of `f"a.{x}"` or `"a." + x`."""
    if isinstance(node, ast.BinOp):
        return _constant_head(node.left)
    if isinstance(node, ast.JoinedStr) and node.values:
        return _constant_head(node.values[0])
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def _types_in_texts(node: ast.AST) -> list[str]:
    """Return the texts in an annotation that are types, which the texts of a `Literal["a", "b"]` are not."""
    if isinstance(node, ast.Subscript) and chain_of(node.value)[-1:] == ["Literal"]:
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in children(node) for text in _types_in_texts(child)]
