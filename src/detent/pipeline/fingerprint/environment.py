"""Versions of what a function uses from outside the project."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

# Import names whose distribution is called differently; for any other such package all installed ones are searched.
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML", "PIL": "pillow", "cv2": "opencv-python"}


class Environment:
    """The interpreter and the installed packages, looked up once each."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def versions(self, packages: Iterable[str]) -> dict[str, str]:
        """Return the versions of Python, of detent, and of these packages where they are not in the standard library.

        A package that is installed from a folder (`pip install -e`) or by hand has no version to trust: the digest of
        its files stands in.
        """
        found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
        for package in ["detent", *packages]:
            if package and package not in sys.stdlib_module_names:
                if package not in self._known:
                    self._known[package] = self._version(package)
                found[package] = self._known[package]
        return found

    def _version(self, package: str) -> str:
        distribution = _distribution(package)
        if distribution is not None and not _is_editable(distribution):
            return distribution.version
        return _files_digest(package)


def _distribution(package: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        names = () if package == "detent" else _distributions_by_import_name().get(package, ())
        return metadata.distribution(names[0]) if names else None


@cache
def _distributions_by_import_name() -> Mapping[str, list[str]]:
    """Return which distribution brings which package. It reads every installed one (0.2 s), so once per process."""
    return metadata.packages_distributions()


def _is_editable(distribution: metadata.Distribution) -> bool:
    text = distribution.read_text("direct_url.json")  # PEP 610
    return bool(text) and bool(json.loads(text).get("dir_info", {}).get("editable"))


def _files_digest(package: str) -> str:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return "absent"
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in (".py", ".so", ".pyd")]
    if not folders and spec.origin and Path(spec.origin).is_file():
        files = [Path(spec.origin)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"files {digest.hexdigest()[:16]}"
