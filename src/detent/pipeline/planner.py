"""One call of a step -> its cache key, and the stored result that counts for it, if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from detent.errors import StoreError, TamperedError
from detent.pipeline import store
from detent.pipeline.arguments import arguments_of, stored_in, types_in
from detent.pipeline.artifacts import Artifact
from detent.pipeline.codecs.manifest import blobs_of
from detent.pipeline.fingerprint.code import Code, CodeReader
from detent.pipeline.frame import framed_digest
from detent.pipeline.nodes import Node
from detent.pipeline.parts import Parts
from detent.pipeline.plan import UNCHANGED, key_of, parts_of, why
from detent.pipeline.policy import policy_of
from detent.pipeline.results import Results
from detent.pipeline.seal import project_key
from detent.pipeline.store import Entry
from detent.pipeline.trace.reads import Memo, unchanged
from detent.pipeline.workspace import Workspace
from detent.store.blobs import Blobs, Stat
from detent.store.canonical import canonical, digest
from detent.store.clock import parse
from detent.store.memo import StatMemo, digest_of_file

DAMAGED, FORCED = "cached output is missing or damaged: rebuilt", "forced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A call whose inputs are known."""

    node: Node
    shard: int
    arguments: Mapping[str, object]  # by parameter; values with Stored and StoredRecord as leaves
    parts: Parts
    code: Code
    key: str

    @property
    def inputs(self) -> tuple[tuple[str, str, str], ...]:
        """(parameter, digest, where it comes from) of everything stored that goes in."""
        leaves = [(name, leaf) for name, value in self.arguments.items() for leaf in stored_in(value)]
        return tuple((name, leaf.artifact.digest, leaf.origin) for name, leaf in leaves)


class Planner:
    """Plans the calls of one run; used by the driver for all of them, and by whoever executes one for that one."""

    def __init__(
        self,
        results: Results,
        workspace: Workspace,
        reader: CodeReader,
        *,
        pipeline: str,
        run: str,
        kept: tuple[bytes, Memo] | None = None,
    ) -> None:
        """Plan for one run; `kept` is what an earlier planner of the same project read: its key and its memo."""
        self._results = results
        self._workspace = workspace
        self._folder = Path(workspace.address.folder)
        self._reader = reader
        self._pipeline = pipeline
        self._run = run
        self._key, self._reads = kept or (project_key(workspace.state), Memo())
        self._memo = StatMemo(workspace.db)  # digests of declared files that have not changed since they were read
        self._sources: dict[str, str] = {}  # digest of a code's components -> digest of the blob with its texts

    def plan(self, node: Node, shard: int, *, again: bool = False) -> Planned:
        """Return the call's key and what it is made of; the texts of its code are stored.

        `again`: they are stored already if the key is the one that the call had before.

        Raises:
            ProjectError: a parameter can't be compared, a secret is missing, a project file is no valid Python.
            StepError: what a fan-out goes over is no list.
        """
        arguments = arguments_of(node, shard, self._results)
        code = self._code_of(node, arguments)
        policy = policy_of(node, folder=self._folder, key=self._key, run=self._run, digest_of=self._digest_of)
        parts = parts_of(node, arguments, code, source=self._source_of(code, stored=again), policy=policy)
        return Planned(node=node, shard=shard, arguments=arguments, parts=parts, code=code, key=key_of(parts))

    def find(self, planned: Planned, *, reason: bool = True) -> tuple[Entry | None, str]:
        """Return the stored result that counts for a call and "unchanged", or None and why there is none.

        Whatever is found missing or damaged is removed, so that the step makes it anew.
        """
        said = ""
        for entry in store.entries_of(self._workspace.db, planned.key):
            said = self._objection(planned.node, entry)
            if not said:
                return entry, UNCHANGED
            if said == DAMAGED:
                with self._workspace.db.transaction() as tx:
                    store.forget_entry(tx, entry)
        return None, (said or self._why(planned)) if reason else ""

    def _objection(self, node: Node, entry: Entry) -> str:
        """Say why a stored result does not count any more; "" when it does."""
        ttl = node.options.ttl
        age = self._workspace.clock.now() - parse(entry.created)
        if ttl is not None and abs(age) >= timedelta(seconds=ttl):  # the clock may have been set back since
            return f"older than its {node.options.changes}"
        changed = unchanged(entry.reads, self._folder, self._reads, key=self._key)
        if changed is not None:
            return f"read {changed.name}, which has changed"
        return "" if self._is_whole(entry) else DAMAGED

    def _is_whole(self, entry: Entry) -> bool:
        """True when every blob of a result is there and undamaged; one that looks as it did is not read again."""
        blobs = self._workspace.blobs
        changed = [name for name, known in entry.stats.items() if blobs.stat(name) != known]
        if not changed:
            return True
        if not all(_is_undamaged(name, blobs) for name in changed):
            return False
        with self._workspace.db.transaction() as tx:
            store.set_stats(tx, entry, stats_of(entry.outputs, blobs))
        return True

    def save(self) -> None:
        """Remember the digests of the files that were read, for the next run."""
        self._memo.save()

    def _digest_of(self, path: Path) -> str:
        return digest_of_file(path, self._memo)

    def _why(self, planned: Planned) -> str:
        db, node = self._workspace.db, planned.node
        previous = store.previous_parts(db, self._pipeline, step=node.name, shard=planned.shard, run=self._run)
        if previous is not None:
            return why(planned.parts, previous.parts)
        if store.failed_last_time(db, self._pipeline, step=node.name, shard=planned.shard, run=self._run):
            return "failed the last time"
        return why(planned.parts, None)

    def _code_of(self, node: Node, arguments: Mapping[str, object]) -> Code:
        # The class of an input, when the project has it, is code that the step runs without naming it.
        types = dict.fromkeys(name for value in arguments.values() for name in types_in(value))
        names = [(module, path.partition(".")[0]) for module, _, path in (name.partition(":") for name in types)]
        return self._reader.code_of([(node.module, node.attribute), *names])

    def _source_of(self, code: Code, *, stored: bool) -> str:
        identity = framed_digest(dict(code.components))
        if identity not in self._sources:
            texts = canonical(dict(code.sources))
            self._sources[identity] = digest(texts) if stored else self._workspace.blobs.put(texts)
        return self._sources[identity]


def stats_of(outputs: Mapping[str, Artifact], blobs: Blobs) -> dict[str, Stat | None]:
    """Return what each blob of some values looks like from outside, by digest."""
    return {name: blobs.stat(name) for artifact in outputs.values() for name in blobs_of(artifact, blobs)}


def quarantine_damaged(values: Iterable[Artifact], blobs: Blobs) -> None:
    """Move aside what is damaged of some values that look as they did: else they would be hits for ever."""
    for artifact in values:
        try:
            names: Sequence[str] = blobs_of(artifact, blobs)
        except (TamperedError, StoreError):  # the list of its parts is itself damaged
            names = artifact.blobs
        for name in names:
            _is_undamaged(name, blobs)


def _is_undamaged(name: str, blobs: Blobs) -> bool:
    """Read a blob and check it; one that is damaged is moved aside, or the same bytes would not be stored again."""
    try:
        blobs.path(name)
    except TamperedError:
        blobs.quarantine(name)
        return False
    except StoreError:
        return False
    return True
