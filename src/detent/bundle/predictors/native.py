"""Call the C library inside a model library's wheel, without importing its Python package (a second, and 100 MB)."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from detent import plugins
from detent.errors import RefusedError


@cache
def library(package: str, stem: str) -> ctypes.CDLL:
    """Return `lib/*stem*` of an installed package.

    Raises:
        MissingExtraError: the package is not installed.
        RefusedError: it is, and brings no library that this machine can load.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise plugins.missing(package, wanted_by=f"predictor `{package}`")
    found = sorted(Path(spec.submodule_search_locations[0], "lib").glob(f"*{stem}*"))
    try:
        return ctypes.CDLL(str(found[0]))
    except (IndexError, OSError) as error:
        raise RefusedError(
            what=f"the library of {package} can't be loaded",
            why=str(error)[:300] if found else "its package holds none",
            fix=f"install it again: pip install --force-reinstall {package}",
        ) from error
