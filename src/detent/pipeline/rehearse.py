"""Import in a worker what the newest run's steps needed, while the process that plans imports it for itself.

A library that takes a second to load is needed twice after an edit: to plan, and to run what changed. Both can go on
at once. Nothing is guessed that matters: a worker that imported too much, or what was edited since, is like one that
has executed other steps before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from detent.pipeline import store
from detent.pipeline.attempt import Attempts
from detent.pipeline.document import load_document
from detent.pipeline.nodes import Graph, Node
from detent.pipeline.seal import project_key
from detent.pipeline.workspace import Address, open_address
from detent.project.environment import read_variable
from detent.store.atomic import write_atomic
from detent.store.clock import SystemClock

_MOST = 20  # files; a step soon needs one of the first, and who edits a large project needs few of them
_VARIABLES = "rehearsal.json"
_PLAIN = re.compile(r"(?i)true|false|yes|no|on|off|[0-9]{1,4}")  # values that can be no secret


def keep_variables(state: Path, names: Iterable[str]) -> None:
    """Keep the variables that imports set in the process that planned: the next one's steps will start with them too.

    Kept in the open, so only switches and small numbers are. When another one is set, a rehearsal is in vain.
    """
    values = {name: value for name in sorted(names) if (value := read_variable(name)) and _PLAIN.fullmatch(value)}
    if values != expected_variables(state):
        write_atomic(state / _VARIABLES, json.dumps(values).encode())


def expected_variables(state: Path) -> dict[str, str]:
    """Return what `keep_variables` kept; nothing when it was never called, or its file was damaged."""
    try:
        kept = json.loads((state / _VARIABLES).read_bytes())
        return {str(name): str(value) for name, value in kept.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def rehearse(address: Address, attempts: Attempts) -> None:
    """Import the files that the steps of the newest run lie in, one after the other; none when there was no run.

    Raises:
        ProjectError: a file fails to import.
        StoreError: the store can't be read.
    """
    workspace = open_address(address, SystemClock())
    try:
        graph = store.newest_graph(workspace.db)
        if graph:
            first = list(_first_of_each_file(load_document(graph, workspace.blobs).graph))
            attempts.rehearse(first[:_MOST], workspace, key=project_key(Path(address.state)))
    finally:
        workspace.db.close()


def _first_of_each_file(graph: Graph) -> Iterator[Node]:
    files = set[str]()
    for node in graph.nodes:
        if node.file and node.file not in files:
            files.add(node.file)
            yield node
