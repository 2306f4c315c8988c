"""The registry: which bundles passed the gate, and which names point to them, now and at any time before.

In: a bundle's digest with a passing verdict. Out: numbered versions, aliases and their whole history.
This room knows digests and verdicts; it knows nothing about files, traffic or training.
"""

from detent.registry.aliases import all_current, at, current, history, set_alias
from detent.registry.versions import all_versions, find, get, register

__all__ = ["all_current", "all_versions", "at", "current", "find", "get", "history", "register", "set_alias"]
