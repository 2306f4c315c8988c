"""Changes a project's code a little: somewhere that runs, or where nothing can depend on it."""

from __future__ import annotations

import ast
import copy
import random
import re
from collections.abc import Callable, Collection, Iterator

Mutation = Callable[[ast.Module, random.Random, Callable[[ast.AST], bool]], bool]
OPERATORS = [ast.Add(), ast.Sub(), ast.Mult(), ast.BitXor(), ast.BitOr()]
COMPARISONS = [ast.Lt(), ast.Gt(), ast.Eq(), ast.NotEq()]
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def mutate(text: str, number: random.Random, reached: Collection[int]) -> str | None:
    """Return the text of a file with one change, preferably on one of the lines that ran; None when none was found."""
    tree = ast.parse(text)
    for mutation in number.sample(MUTATIONS, len(MUTATIONS)):
        changed = copy.deepcopy(tree)
        if mutation(changed, number, lambda node: getattr(node, "lineno", 0) in reached):
            return ast.unparse(ast.fix_missing_locations(changed)) + "\n"
    return None


def reformat(text: str, number: random.Random) -> str:
    """Return the text with other formatting, comments and docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and number.random() < 0.5:
            node.body.insert(0, ast.Expr(ast.Constant(f"Documented {number.random()}.")))
    lines = ast.unparse(ast.fix_missing_locations(tree)).splitlines()
    return "\n".join(f"{line}  # {number.random()}" if number.random() < 0.3 else line for line in lines) + "\n\n# end"


def mutate_unused(text: str, number: random.Random) -> str | None:
    """Return the text with another body of a definition that nobody uses, or another order of two such definitions."""
    tree = ast.parse(text)
    named = [node for node in tree.body if isinstance(node, DEFINITIONS) and node.name.startswith("unused")]
    unused = [node for node in named if len(re.findall(rf"\b{node.name}\b", text)) == 1]
    if not unused:
        return None
    node = number.choice(unused)
    if number.random() < 0.3:
        tree.body.remove(node)
    else:
        extra = "_extra = 1" if isinstance(node, ast.ClassDef) else "x = 1"
        node.body.insert(0, ast.parse(extra).body[0])
    return ast.unparse(tree) + "\n"


def _pick(found: Iterator[ast.AST], number: random.Random, reached: Callable[[ast.AST], bool]) -> ast.AST | None:
    nodes = list(found)
    live = [node for node in nodes if reached(node)]
    nodes = live if live and number.random() < 0.8 else nodes
    return number.choice(nodes) if nodes else None


def _of(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Callable[[ast.Module], Iterator[ast.AST]]:
    return lambda tree: (node for node in ast.walk(tree) if isinstance(node, kind))


def _change(
    find: Callable[[ast.Module], Iterator[ast.AST]], change: Callable[[ast.AST, ast.Module, random.Random], object]
) -> Mutation:
    def mutation(tree: ast.Module, number: random.Random, reached: Callable[[ast.AST], bool]) -> bool:
        node = _pick(find(tree), number, reached)
        return node is not None and change(node, tree, number) is not False

    return mutation


def _constant(node: ast.Constant, _: ast.Module, number: random.Random) -> object:
    if isinstance(node.value, int):
        node.value += number.choice([-1, 1, 7])
    elif isinstance(node.value, str):
        node.value = {"a": "b", "b": "a"}.get(node.value, f"{node.value}a")
    return None


def _swap_names(node: ast.Name, tree: ast.Module, number: random.Random) -> object:
    names = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)} | {
        alias.asname or alias.name.partition(".")[0]
        for one in ast.walk(tree)
        if isinstance(one, ast.Import | ast.ImportFrom)
        for alias in one.names
    }
    node.id = number.choice(sorted(names))


def _attribute(node: ast.Attribute, tree: ast.Module, number: random.Random) -> object:
    node.attr = number.choice(sorted({one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute)}))


def _swap_aliases(node: ast.AST, tree: ast.Module, number: random.Random) -> object:
    imports = [one for one in ast.walk(tree) if isinstance(one, ast.Import | ast.ImportFrom) and one.names[0].asname]
    if len(imports) < 2:
        return False
    one, two = number.sample(imports, 2)
    one.names[0].asname, two.names[0].asname = two.names[0].asname, one.names[0].asname
    return None


def _import_other(node: ast.ImportFrom, tree: ast.Module, number: random.Random) -> object:
    others = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
    other = number.choice(others)
    node.module, node.level, node.names[0].name = other.module, other.level, other.names[0].name


def _swap_statements(node: ast.AST, tree: ast.Module, number: random.Random) -> object:
    bodies = [tree.body, *(one.body for one in ast.walk(tree) if isinstance(one, DEFINITIONS))]
    body = number.choice([body for body in bodies if len(body) > 1] or [tree.body])
    if len(body) < 2:
        return False
    first, second = sorted(number.sample(range(len(body)), 2))
    body[first], body[second] = body[second], body[first]
    return None


def _move(node: ast.AST, tree: ast.Module, number: random.Random) -> object:
    """Move an import, an assignment or a call of the module itself to another place in it."""
    places = [place for place, one in enumerate(tree.body) if not isinstance(one, DEFINITIONS)]
    if not places:
        return False
    one = tree.body.pop(number.choice(places))
    tree.body.insert(number.randint(0, len(tree.body)), one)
    return None


def _delete(node: ast.AST, tree: ast.Module, number: random.Random) -> object:
    for owner in ast.walk(tree):
        body = getattr(owner, "body", None)
        if isinstance(body, list) and node in body:
            place = body.index(node)
            body[place : place + 1] = [] if len(body) > 1 else [ast.Pass()]
            return None
    return False


def _double(node: ast.AST, tree: ast.Module, number: random.Random) -> object:
    for owner in ast.walk(tree):
        body = getattr(owner, "body", None)
        if isinstance(body, list) and node in body:
            body.insert(number.randint(0, len(body)), node)
            return None
    return False


def _append(*texts: str) -> Mutation:
    def mutation(tree: ast.Module, number: random.Random, reached: Callable[[ast.AST], bool]) -> bool:
        names = sorted({node.name for node in tree.body if isinstance(node, DEFINITIONS)})
        text = number.choice(texts).replace("NAME", number.choice(names or ["nobody"]))
        tree.body.insert(number.randint(0, len(tree.body)), ast.parse(text).body[0])
        return True

    return mutation


def _reverse(node: ast.AST, _: ast.Module, number: random.Random) -> object:
    for name in ("args", "elts", "bases", "decorator_list", "keys", "defaults"):
        items = getattr(node, name, None)
        if isinstance(items, list) and len(items) > 1:
            items.reverse()
            return None
    if isinstance(node, ast.BinOp):
        node.left, node.right = node.right, node.left
        return None
    return False


def _bare(node: ast.AST, _: ast.Module, number: random.Random) -> object:
    for name in ("decorator_list", "bases", "defaults"):
        if getattr(node, name, None):
            setattr(node, name, [])
            return None
    return False


MUTATIONS: list[Mutation] = [
    _change(_of(ast.Constant), _constant),
    _change(_of(ast.Constant), _constant),
    _change(_of(ast.BinOp), lambda node, tree, number: setattr(node, "op", number.choice(OPERATORS))),
    _change(_of(ast.Compare), lambda node, tree, number: setattr(node, "ops", [number.choice(COMPARISONS)])),
    _change(lambda tree: (one for one in _of(ast.Name)(tree) if isinstance(one.ctx, ast.Load)), _swap_names),
    _change(_of(ast.Attribute), _attribute),
    _change(_of((ast.Import, ast.ImportFrom)), _swap_aliases),
    _change(_of(ast.ImportFrom), _import_other),
    _change(_of(ast.stmt), _swap_statements),
    _change(_of(ast.Module), _move),
    _change(_of(ast.Module), _move),
    _change(_of(ast.stmt), _delete),
    _change(_of(ast.stmt), _double),
    _change(_of((ast.Call, ast.List, ast.Dict, ast.BinOp, *DEFINITIONS)), _reverse),
    _change(_of(DEFINITIONS), _bare),
    _change(_of(ast.Return), lambda node, tree, number: setattr(node, "value", ast.Constant(number.randint(0, 9)))),
    _append(
        "def sum(x): return 1",
        "def len(x): return 2",
        "abs = int",
        "def NAME(*a, **k): return 3",
        "NAME = 4",
        "import settings as NAME",
        "from settings import *",
        "del NAME",
        "globals()['NAME'] = 5",
        "class NAME: RATE = 6",
        "setattr(__import__('settings'), 'NAME', 7)",
        "NAME.RATE = 8",
    ),
]
