"""A node of the graph of definitions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from detent.pipeline.fingerprint.module import Module
from detent.pipeline.fingerprint.sheet import Statement

IMPORT, NAME, WHOLE, BELOW, FILE = "import", "name", "whole", "below", "file"


@dataclass(slots=True, eq=False)
class Node:
    """Something that code may depend on: what the import of a module does, a name in it, all of it, or a file."""

    kind: str
    name: str
    module: Module | None = None
    component: str = ""  # "features.py:clean", "features.py" or "features.py:top level"; "" has no text of its own
    text: str = ""
    statements: list[Statement] = field(default_factory=list)
    edges: set[Node] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)  # from outside: "numpy"; of detent, all of "detent.data.Split"
    missing: set[str] = field(default_factory=set)  # files that would be used if they were there
    marks: int = 0  # `Mark`s
    is_known: bool = False  # its references were looked up
    _digest: str = ""

    @property
    def digest(self) -> str:
        """The sha256 of the text."""
        if not self._digest:
            self._digest = digest(self.text)
        return self._digest

    def documented(self) -> str:
        """Return the text with the docstrings."""
        docs = [f"# docstring of {name}: {text!r}" for one in self.statements for name, text in one.docs.items()]
        return "\n".join([self.text, *docs])


def digest(text: str) -> str:
    """Return the sha256 of a component's text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
