"""Look into an exported PyTorch program (`.pt2`) without torch, and hand on only what was looked at.

`torch.export.load` is not safe: it unpickles example inputs and some weights, evaluates text as formulae, and calls
any function below `torch` that the graph names. What is left after this inspection: tensors as plain bytes, and a
graph of ATen operators.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from detent.bundle.archive import open_archive, read_member
from detent.errors import Place, RefusedError

FILE = "model.pt2"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_GRAPH, _EXAMPLE = "models/model.json", "data/sample_inputs/model.pt"
_KEPT = ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id")
_PAYLOAD = re.compile(r"(weight|tensor)_\d{1,6}")
_OPERATORS = re.compile(
    r"torch\.ops\.aten\.[a-z0-9_]+\.[A-Za-z0-9_]+"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|torch\.sym_(int|float|max|min|not)"
)
_FORBIDDEN = ("torch.ops.aten.from_file.", "torch.ops.aten._from_file", "torch.ops.aten._print")
# Formulae over sizes, as sympy writes them; nothing else is a name in them.
_FORMULA = re.compile(
    r"(?:\s|[-+*/%(),<>=]|\d+|'[su]\d+'|\b[su]\d+\b|\b(?:Symbol|Integer|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|"
    r"CeilDiv|CleanDiv|positive|nonnegative|integer|True|False|Eq|Ne|Lt|Le|Gt|Ge|StrictLessThan|LessThan|"
    r"StrictGreaterThan|GreaterThan|Equality|Unequality|evaluate|oo|int_oo)\b)*"
)
_MAX_FORMULA = 500
_MAX_DEPTH = 64


def inspect_program(data: bytes, example: bytes) -> bytes:
    """Return the program as an archive written here, when it is nothing but tensors and a graph.

    `example` takes the place of the stored example inputs, which are a pickle.

    Raises:
        RefusedError: no `.pt2`, pickled weights, objects of Python or C++, or operators that are not ATen's.
    """
    archive = open_archive(data, FILE)
    root = _root(archive)
    members = {member.filename.removeprefix(root): member.filename for member in archive.infolist()}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as copy:
        for name in (*_KEPT, *_checked(archive, members)):
            if name in members:
                copy.writestr(f"model/{name}", read_member(archive, members[name], FILE))
        copy.writestr(f"model/{_EXAMPLE}", example)
    return made.getvalue()


def _root(archive: zipfile.ZipFile) -> str:
    for member in archive.infolist():
        name = member.filename
        if name.count("/") == 1 and name.endswith("/archive_format") and read_member(archive, name, FILE) == b"pt2":
            return name.removesuffix("archive_format")
    raise _refused("it is no archive of torch.export: `archive_format` is missing")


def _checked(archive: zipfile.ZipFile, members: dict[str, str]) -> Iterator[str]:
    """Yield the names that may be handed on."""
    for name in (*_CONFIGS, _GRAPH):
        if name not in members:
            raise _refused(f"`{name}` is missing: write it with `torch.export.save`, with one program in it")
    for config in _CONFIGS:
        folder = config.rpartition("/")[0]
        for payload in _decoded(archive, members[config])["config"].values():
            name = payload["path_name"]
            if payload["use_pickle"] or not _PAYLOAD.fullmatch(name):
                raise _refused(f"`{str(name)[:60]}` in it is a pickle, which runs code when it is read")
            yield f"{folder}/{name}"
        yield config
    _check_graph(_decoded(archive, members[_GRAPH]))
    yield _GRAPH


def _decoded(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        content = json.loads(read_member(archive, name, FILE))
        content.get("config")
    except (ValueError, RecursionError, AttributeError) as error:
        raise _refused(f"`{name}` in it is not JSON: {error}") from error
    return content


def _check_graph(program: Any) -> None:
    waiting: list[tuple[Any, int]] = [(program, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise _refused("its graph is nested too deeply")
        if isinstance(value, list):
            waiting.extend((item, depth + 1) for item in value)
        elif isinstance(value, dict):
            _check_object(value)
            waiting.extend((item, depth + 1) for item in value.values())


def _check_object(value: dict[str, Any]) -> None:
    for key in ("as_custom_obj", "as_operator", "as_graph", "as_graphs"):
        if value.get(key):
            raise _refused(f"its graph holds an object of its own (`{key}`)")
    if value.get("custom_obj_values"):
        raise _refused("it brings objects of Python or C++")
    target, formula = value.get("target"), value.get("expr_str")
    if target is not None and not _is_operator(target):
        raise _refused(f"it calls `{str(target)[:100]}`; only ATen's operators are run")
    if formula is not None and not (
        isinstance(formula, str) and len(formula) <= _MAX_FORMULA and _FORMULA.fullmatch(formula)
    ):
        raise _refused(f"the size `{str(formula)[:80]}` is no formula over sizes")


def _is_operator(target: object) -> bool:
    return isinstance(target, str) and bool(_OPERATORS.fullmatch(target)) and not target.startswith(_FORBIDDEN)


def _refused(why: str) -> RefusedError:
    return RefusedError(
        what="the exported program can't be run",
        why=why[:300],
        fix="export it with `torch.export.save(torch.export.export(model, ...), path)`, on the CPU",
        where=Place(file=FILE),
    )
