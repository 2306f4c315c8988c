"""Lineage as a tree for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from detent.cli.lineage_words import aliases_of, describe
from detent.records.lineage import UP, Edge, Lineage, LineagePlan
from detent.tracking.openlineage.outbox import Standing

SHOWN = 12  # things of one kind that are shown of many


def tree(graph: Lineage, *, everything: bool = False) -> Tree:
    """Return the graph as a tree. Of many things of one kind the first are shown, unless `everything`."""
    drawing = _Drawing(graph, None if everything else SHOWN)
    root = Tree(describe(graph.nodes[graph.root], alone=True), guide_style="dim")
    drawing.grow(root, graph.root)
    return root


def sinks_table(standings: Sequence[Standing], plan: LineagePlan) -> Group:
    """Return who was told how much, and what to type next."""
    table = Table(box=None, pad_edge=False)
    for name in ("sink", "events told", "refused", "last error"):
        table.add_column(name, justify="right" if name in ("events told", "refused") else "left", overflow="fold")
    for standing in standings:
        table.add_row(standing.sink, f"{standing.told:,}", f"{standing.refused:,}", standing.error or "–")
    lines: list[Table | Text] = [table if standings else Text("No OpenLineage sink was told anything yet.")]
    if plan.url is None:
        lines.append(Text("Events are in .detent/lineage/events.jsonl; lineage: {url: ...} names a server.", "dim"))
    lines.append(Text("Ask about a thing: detent lineage MODEL, RUN, RUN/STEP, DATASET or a digest.", "dim"))
    return Group(*lines)


class _Drawing:
    """One graph being drawn."""

    def __init__(self, graph: Lineage, limit: int | None) -> None:
        self._graph, self._limit = graph, limit
        self._next: dict[str, list[tuple[Edge, str]]] = {}
        for edge in graph.edges:
            up = graph.direction == UP
            here, there = (edge.downstream, edge.upstream) if up else (edge.upstream, edge.downstream)
            self._next.setdefault(here, []).append((edge, there))
        self._drawn: set[str] = set()

    def grow(self, branch: Tree, node: str) -> None:
        """Draw everything behind a node."""
        self._drawn.add(node)
        found = self._graph.nodes[node]
        for text in aliases_of(found):
            branch.add(text)
        if self._graph.direction == UP and found.kind in ("run", "step"):
            self._list_steps(branch, node)
            return
        children = self._next.get(node, [])
        quiet = [entry for entry in children if self._is_quiet(entry[1])]
        self._draw(branch, [entry for entry in children if entry not in quiet], "more")
        self._draw(branch, quiet, "more runs without a candidate" if found.kind != "dataset" else "more versions")

    def _draw(self, branch: Tree, entries: Sequence[tuple[Edge, str]], rest: str) -> None:
        shown = entries[: self._limit]
        for edge, child in shown:
            if child in self._drawn:
                branch.add(Text.assemble(self._graph.nodes[child].label, ("  see above", "dim")))
            else:
                self.grow(branch.add(describe(self._graph.nodes[child], edge.role)), child)
        if len(shown) < len(entries):
            branch.add(Text(f"and {len(entries) - len(shown):,} {rest}; --all shows them", "dim"))

    def _list_steps(self, branch: Tree, first: str) -> None:
        """List the steps above a run or step, each before those that it reads from, and then the data.

        A list, not a tree: a step that two others read from would stand there twice.
        """
        order = self._from_the_end(first)
        roles = {above: edge.role for edge, above in self._next.get(first, [])}
        is_run = self._graph.nodes[first].kind == "run"
        for kind in ("step", "snapshot"):
            nodes = [node for node in order if self._graph.nodes[node].kind == kind and node != first]
            for node in nodes[: self._limit]:
                role = roles.get(node, "") if is_run else ""
                branch.add(describe(self._graph.nodes[node], role, reads=self._reads(node)))
            if len(nodes) > len(nodes[: self._limit]):
                branch.add(Text(f"and {len(nodes) - (self._limit or 0):,} more {kind}s; --all shows them", "dim"))

    def _from_the_end(self, first: str) -> list[str]:
        """Return what stands above a node, each thing after all that read from it."""
        readers: dict[str, int] = {}
        waiting, seen = [first], {first}
        while waiting:
            for _, above in self._next.get(waiting.pop(), []):
                readers[above] = readers.get(above, 0) + 1
                if above not in seen:
                    seen.add(above)
                    waiting.append(above)
        order, ready = [], [first]
        while ready:
            node = ready.pop(0)
            order.append(node)
            for _, above in self._next.get(node, []):
                readers[above] -= 1
                if not readers[above]:
                    ready.append(above)
        return order

    def _reads(self, node: str) -> list[str]:
        """Return the names of what a step reads from, as the pipeline's body calls them."""
        names = []
        for edge, above in self._next.get(node, []):
            label = self._graph.nodes[above].label.partition("@")[0]
            names.append(edge.role.partition(" = ")[2] or label)
        return list(dict.fromkeys(names))

    def _is_quiet(self, node: str) -> bool:
        """True for a run, or a dataset's version, that nothing was made from which lives on."""
        return self._graph.nodes[node].kind in ("run", "snapshot") and node not in self._next
