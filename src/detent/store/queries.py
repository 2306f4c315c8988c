"""Named statements: each room keeps its SQL in one `queries.sql`, so a reviewer sees all its database traffic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

_HEAD = re.compile(r"^-- ([a-z][a-z0-9_]*) --$", re.MULTILINE)


@cache
def load_queries(package: str) -> Mapping[str, str]:
    """Return the statements of a package's `queries.sql` by name. A block begins with a line `-- name --`."""
    # importlib.resources would do this too, and takes as long to import as all else that a run without work imports.
    folder = Path(str(import_module(package).__file__)).parent
    text = (folder / "queries.sql").read_text(encoding="utf-8")
    pieces = _HEAD.split(text)[1:]
    return MappingProxyType({name: sql.strip() for name, sql in zip(pieces[::2], pieces[1::2], strict=True)})
