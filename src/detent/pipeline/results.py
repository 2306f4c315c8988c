"""What the steps of one run have come to so far, as the tables say; every executor resolves inputs from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detent.errors import DataError, ProjectError, StepError
from detent.pipeline import store
from detent.pipeline.artifacts import Artifact
from detent.pipeline.codecs.tree import items_of, plain_value
from detent.pipeline.document import Document
from detent.pipeline.gather import gather
from detent.pipeline.nodes import Condition, Node, Port
from detent.records.run import WHOLE
from detent.store.blobs import Blobs
from detent.store.database import Reader

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one step, or one item of it, ended."""

    state: str  # done | failed | skipped
    outputs: Mapping[str, Artifact]


class Results:
    """Ended steps of a run. Rows are read when they are first asked for; `note` saves the reading."""

    def __init__(self, run: str, document: Document, inputs: Mapping[str, Artifact], db: Reader, blobs: Blobs) -> None:
        self._run = run
        self._nodes = {node.name: node for node in document.graph.nodes}
        self._inputs = inputs
        self._db = db
        self._blobs = blobs
        self._ended: dict[tuple[str, int], Ended] = {}
        self._lists: dict[str, list[list[object]]] = {}  # step -> the lists that a fan-out goes over
        self._gathered: dict[Port, Artifact] = {}

    def note(self, step: str, shard: int, ended: Ended) -> None:
        """Remember how a step ended."""
        self._ended[step, shard] = ended

    def state(self, name: str) -> str | None:
        """Return done, failed or skipped; None while a step (or an item of it) has not ended.

        A fan-out has failed when one item has; it is done when all are.
        """
        if name in self._inputs:
            return DONE
        whole = self._find(name, WHOLE)
        if whole is not None or not self._nodes[name].over:
            return whole.state if whole else None
        if any(self.state(port.source) != DONE for port in self._nodes[name].upstream):
            return None
        shards = [self._find(name, shard) for shard in range(self.width(self._nodes[name]))]
        if any(shard is not None and shard.state == FAILED for shard in shards):
            return FAILED
        return None if None in shards else DONE

    def artifact(self, port: Port) -> Artifact:
        """Return the value at a port of a step that is done; for a fan-out the list of its items' values."""
        if not port.output:
            return self._inputs[port.source]
        node = self._nodes[port.source]
        if not node.over:
            return self._outputs(port.source, WHOLE)[port.output]
        if port not in self._gathered:
            shards = range(self.width(node))
            self._gathered[port] = gather([self._outputs(port.source, shard)[port.output] for shard in shards])
        return self._gathered[port]

    def known(self, node: Node) -> list[Artifact]:
        """Return those values that a step needs and that are there."""
        return [self.artifact(port) for port in node.upstream if self.state(port.source) == DONE]

    def is_fan_out(self, name: str) -> bool:
        """True for a step that is called once per item of a list."""
        return name in self._nodes and bool(self._nodes[name].over)

    def width(self, node: Node) -> int:
        """Return how many items a fan-out has.

        Raises:
            StepError: what it goes over is no list, or its lists differ in length.
        """
        lengths = {len(items) for items in self._over(node)}
        if len(lengths) != 1:
            raise StepError(
                what=f"the lists that `{node.name}` goes over differ in length",
                why=f"they have {' and '.join(map(str, sorted(lengths)))} items, and are taken side by side",
                fix="give lists of one length",
            )
        return lengths.pop()

    def items(self, node: Node, shard: int) -> dict[str, object]:
        """Return what one item's call gets for each parameter of a fan-out: a value, or an Artifact."""
        return {name: items[shard] for (name, _), items in zip(node.over, self._over(node), strict=True)}

    def holds(self, condition: Condition) -> bool:
        """True when the value at a condition's port is the one that it asks for.

        Raises:
            StepError: the value is no plain one.
        """
        try:
            value = plain_value(self.artifact(condition.port), self._blobs)
        except DataError as error:
            raise StepError(
                what=f"`when({condition.port})` can't be decided",
                why=f"a condition needs a bool, a number or a text: {error.why}",
                fix=f"let `{condition.port.source}` return the flag as an output of its own",
            ) from error
        return bool(value) if condition.equals is True else bool(value == condition.equals)

    def _over(self, node: Node) -> list[list[object]]:
        if node.name not in self._lists:
            self._lists[node.name] = [self._list(node, value) for _, value in node.over]
        return self._lists[node.name]

    def _list(self, node: Node, value: object) -> list[object]:
        if isinstance(value, list):
            return value
        assert isinstance(value, Port)
        artifact = self.artifact(value)
        found = items_of(artifact, self._blobs)
        if found is None:
            raise StepError(
                what=f"`{node.name}` can't go over the output of `{value.source}`",
                why=f"it is no list, but a value stored as {artifact.kind}",
                fix=f"let `{value.source}` return a list, and say so in its annotation",
            )
        return found

    def _outputs(self, name: str, shard: int) -> Mapping[str, Artifact]:
        ended = self._find(name, shard)
        if ended is None or ended.state != DONE:
            raise ProjectError(
                what=f"`{name}` has no output yet in run {self._run}",
                why="it has not ended, or not well" if ended is None else f"it is {ended.state}",
                fix="execute the steps of a graph in its order, each after all that it needs",
            )
        return ended.outputs

    def _find(self, name: str, shard: int) -> Ended | None:
        if (name, shard) not in self._ended:
            found = store.find_ended(self._db, self._run, name, shard)
            if found is None:
                return None
            outcome, outputs = found
            self._ended[name, shard] = Ended(outcome if outcome in (FAILED, SKIPPED) else DONE, outputs)
        return self._ended[name, shard]
