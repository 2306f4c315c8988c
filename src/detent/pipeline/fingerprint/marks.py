"""Names through which code reaches what is not written down, and what follows from using them."""

from __future__ import annotations

from functools import lru_cache

from detent.pipeline.fingerprint import known
from detent.pipeline.fingerprint.sheet import Mark

_MARKS = (
    (known.ANYTHING, Mark.ANYTHING),
    (known.IMPORTERS, Mark.ANYTHING),
    (known.SOURCE, Mark.SOURCE),
    (known.DOCS, Mark.DOCS),
    (known.INSTALLED, Mark.INSTALLED),
    (known.PATHS, Mark.PATHS),
    (known.NATIVE, Mark.NATIVE),
    (known.PROCESSES, Mark.PROCESSES),
    (("__doc__",), Mark.DOCS),
)
_ATTRIBUTES = (
    (known.ANYTHING_ATTRIBUTES, Mark.ANYTHING),
    (known.SOURCE_ATTRIBUTES, Mark.SOURCE),
    (("__doc__",), Mark.DOCS),
)


@lru_cache(maxsize=8192)
def marks_of(name: str) -> int:
    """Return the `Mark`s of using a full dotted name ("sys.modules", "eval")."""
    return sum({mark for names, mark in _MARKS if known.below(name, names)})


@lru_cache(maxsize=8192)
def marks_of_attribute(name: str) -> int:
    """Return the `Mark`s of asking anything for an attribute ("__globals__")."""
    return sum({mark for names, mark in _ATTRIBUTES if name in names})
