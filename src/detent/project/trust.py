"""The `trust` section: what models from elsewhere may do. Without it nothing is trusted."""

from __future__ import annotations

import re
import sys
from datetime import timedelta

from detent.project.nodes import Value
from detent.records.project import PLAIN_TYPES, Trust

_KEYS = ("types", "pickles", "remotes", "deadline", "memory_mb")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TYPE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_URL = re.compile(r"https?://[^\s/@?#]+(/[^\s?#@]*)?")


def read_trust(value: Value) -> Trust:
    """Return the section's record.

    Raises:
        ProjectError: a key or a value is none that exists.
    """
    section = value.section(_KEYS)
    default = Trust()
    deadline = section.read("deadline", Value.duration, timedelta(seconds=default.deadline)).total_seconds()
    if not 0 < deadline <= 3600:
        raise value.error("a deadline lies between nothing and an hour", "write one such as `deadline: 30s`")
    return Trust(
        types=section.read("types", lambda item: tuple(map(_type, item.items())), ()),
        pickles=section.read("pickles", lambda item: tuple(map(_pickle, item.items())), ()),
        remotes=section.read("remotes", lambda item: tuple(map(_remote, item.items())), ()),
        deadline=deadline,
        memory=section.read("memory_mb", lambda item: item.whole(low=256, high=1 << 20), default.memory >> 20) << 20,
    )


def _type(value: Value) -> str:
    name = value.text()
    if not _TYPE.fullmatch(name):
        raise value.error(f"`{name}` is no name of a class", "write module and class: lightgbm.sklearn.LGBMClassifier")
    if name.partition(".")[0] in sys.stdlib_module_names and name not in PLAIN_TYPES:
        raise value.error(
            f"`{name}` belongs to Python itself, where functions run anything", "list classes of model libraries only"
        )
    return name


def _pickle(value: Value) -> str:
    digest = value.text().removeprefix("sha256:")
    if not _DIGEST.fullmatch(digest):
        raise value.error("a pickle is allowed by its sha256, 64 hexadecimal digits", "copy what `detent import` says")
    return digest


def _remote(value: Value) -> str:
    url = value.text()
    if not _URL.fullmatch(url):
        raise value.error(f"`{url}` is no address of a server", "write one such as http://10.0.0.7:8000")
    return url
