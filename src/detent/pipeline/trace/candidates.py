"""Names of existing files in the texts of a program: what it may read where nobody sees it read.

Used only where the kernel reports no calls. It finds `pl.read_csv("conf/x.csv")` and `from 'conf/x.csv'` inside SQL; it
does not find a name that is put together when the program runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_QUOTED = re.compile(r"'([^'\n]{1,4096})'|\"([^\"\n]{1,4096})\"")
_PATTERN = re.compile(r"[*?\[]")
_LONGEST_NAME = 4096


def words_of(sources: Iterable[str]) -> set[str]:
    """Return the string constants in Python sources. A source that is no valid Python has none."""
    return {text for source in sources for text in _constants(source)}


def files_in(words: Iterable[str], folder: Path) -> tuple[set[str], set[str]]:
    """Return existing files and listed folders (absolute paths) that words name, or quote, or match as a pattern."""
    files: set[str] = set()
    folders: set[str] = set()
    forms = {form for word in words for form in (word, *_quoted(word))}
    for word in forms:
        if not word or len(word) > _LONGEST_NAME or "\0" in word or "\n" in word:
            continue
        if _PATTERN.search(word):
            _match(word, folder, files, folders)
            continue
        path = folder / word
        if _is_file(path):
            files.add(str(path))
    return files, folders


def _match(pattern: str, folder: Path, files: set[str], folders: set[str]) -> None:
    plain = pattern[: _PATTERN.search(pattern).start()].rpartition("/")[0]  # type: ignore[union-attr]
    start = folder / plain
    rest = pattern[len(plain) :].lstrip("/")
    # The project folder itself is not searched for what may be no file name at all, such as "*" or "[a-z]+".
    if not plain or not start.is_dir():
        return
    try:
        found = [str(path) for path in start.glob(rest) if path.is_file()]
    except (ValueError, NotImplementedError, OSError):
        return
    if found:
        files.update(found)
        folders.add(str(start))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _quoted(text: str) -> Iterator[str]:
    for single, double in _QUOTED.findall(text):
        yield single or double


def _constants(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
