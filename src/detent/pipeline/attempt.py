"""One attempt at a call: run the function under observation, store what it returns. Nothing is committed here."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from detent.errors import StepError, TamperedError
from detent.pipeline import context, store
from detent.pipeline.arguments import stored_in
from detent.pipeline.artifacts import Artifact
from detent.pipeline.call import call, load_arguments, load_step, loaded_step, same_step, store_outputs
from detent.pipeline.capture import captured
from detent.pipeline.codecs import folder as folders
from detent.pipeline.codecs.scratch import using_scratch
from detent.pipeline.failure import printable
from detent.pipeline.lease import Lease, is_held
from detent.pipeline.loaded import Loaded
from detent.pipeline.nodes import Node
from detent.pipeline.planner import Planned, quarantine_damaged
from detent.pipeline.sandbox import enter_sandbox
from detent.pipeline.scratch import attempt_folder
from detent.pipeline.seal import project_key
from detent.pipeline.trace.reads import ABSENT, PRESENT, Read, unchanged
from detent.pipeline.trace.tracer import Observation
from detent.pipeline.workspace import Workspace
from detent.store.clock import iso

UNSTABLE = "unstable"  # the digest of what changed while it was read: nothing is ever equal to it
_LOOKS = 1.0  # seconds between looks at all files that were imported here, besides those that a step reaches
_LARGEST_READ = 64 * 2**20  # bytes of a file that was read without being declared, up to which it is kept


class Observer(Protocol):
    """Whoever notes what this process reads, writes and talks to between `begin` and `end`."""

    def begin(
        self, folder: Path, ignore: Sequence[Path] = (), *, key: bytes = b"", sources: Sequence[str] = ()
    ) -> None:
        """Start noting; what lies below `ignore` is left out."""
        ...

    def end(self) -> Observation:
        """Stop, and return what was noted."""
        ...


class StepFailed(Exception):
    """The step's own code raised; `error` is what it raised."""

    def __init__(self, error: BaseException, retry_on: tuple[type[Exception], ...]) -> None:
        super().__init__(type(error).__name__)  # its text may be impossible to make
        self.error = error
        self.retry_on = retry_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an attempt made."""

    outputs: Mapping[str, Artifact]
    reads: tuple[Read, ...]  # besides what it declares
    warnings: tuple[str, ...]


class Attempts:
    """Makes attempts in this process, one after the other."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._key = b""
        self._loaded = Loaded()
        self._looked = -_LOOKS  # monotonic seconds: when all files that were imported here were last compared
        # What was read while project modules were imported here, with the files that were executed then.
        self._at_import: list[tuple[frozenset[str], tuple[Read, ...]]] = []

    def is_stale(self, folder: Path, state: Path) -> bool:
        """True when something that project modules read while they were imported here is no longer what it was."""
        reads = [read for _, found in self._at_import for read in found]
        return bool(reads) and unchanged(reads, folder, key=project_key(state)) is not None

    def rehearse(self, nodes: Iterable[Node], workspace: Workspace, *, key: bytes) -> None:
        """Import the files of these steps as their attempts would: each under observation, what it prints dropped.

        Raises:
            ProjectError: a file fails to import.
        """
        self._key = key
        with captured(Path(os.devnull)):
            for node in nodes:
                if loaded_step(node, workspace.folder) is None:
                    self._import(node, workspace, ())

    def make(
        self, planned: Planned, lease: Lease, workspace: Workspace, *, log: Path, hermetic: bool, key: bytes
    ) -> Result:
        """Run the call, with everything it prints and its traceback in the log; `key` is the project's, for variables.

        Raises:
            StepFailed: the step raised, returned what can't be stored, or read what it may not.
        """
        retry_on: tuple[type[Exception], ...] = ()
        self._key = key  # a sandbox will not let it be read
        sources = list(planned.code.sources.values())
        with captured(log), attempt_folder(workspace.state) as scratch, using_scratch(scratch):
            try:
                found = self._find(planned, workspace)
                function, retry_on = found or self._import(planned.node, workspace, sources)
                if hermetic:
                    enter_sandbox(planned, workspace, scratch)
                arguments = _load(function, planned, workspace)

                def run() -> dict[str, Artifact]:
                    token = context.current.set(_context(planned, lease, workspace, scratch))
                    try:
                        returned = call(function, arguments, key=planned.key)
                    finally:
                        context.current.reset(token)
                    return store_outputs(function, planned.node, returned, workspace.blobs)

                seen, outputs = self._observe(workspace, sources, run)
                result = self._judge(planned, seen, outputs, hermetic=hermetic)
                _keep_reads(result.reads, workspace)
                return result
            except KeyboardInterrupt:  # it is meant for this process
                raise
            except BaseException as error:
                traceback.print_exc()
                raise StepFailed(error, retry_on) from error

    def _find(
        self, planned: Planned, workspace: Workspace
    ) -> tuple[Callable[..., Any], tuple[type[Exception], ...]] | None:
        """Return the step's function when this process has imported it as it is now.

        What the step is known to reach is compared with the plan each time, and all other files once in a while: code
        that nobody could foresee is found to be outdated when it has been used, and its result is then not kept.
        """
        now = time.monotonic()
        if now - self._looked < _LOOKS and self._loaded.are(workspace.address.folder, planned.code.files):
            return same_step(planned.node, workspace.folder)
        self._looked = now
        return loaded_step(planned.node, workspace.folder)

    def _import(
        self, node: Node, workspace: Workspace, sources: Sequence[str]
    ) -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
        imported, loaded = self._observe(workspace, sources, lambda: load_step(node, workspace.folder))
        self._note_import(imported)
        return loaded

    def _observe(
        self, workspace: Workspace, sources: Sequence[str], action: Callable[[], Any]
    ) -> tuple[Observation, Any]:
        self._observer.begin(
            workspace.folder,
            [workspace.state, Path(workspace.address.blobs), workspace.db.path.parent],
            key=self._key,
            sources=sources,
        )
        try:
            done = action()
        except BaseException:
            self._observer.end()
            raise
        return self._observer.end(), done

    def _note_import(self, seen: Observation) -> None:
        executed = frozenset(read.name for read in seen.reads if read.kind == "import")
        # Sources are read to see whether they are still what was imported; that is no doing of the step's.
        others = tuple(read for read in seen.reads if read.kind != "import" and not read.name.endswith(".py"))
        if executed and others:
            self._at_import.append((executed, others))

    def _read_at_import(self, planned: Planned) -> Iterator[Read]:
        """Give what modules that the step reaches read when this process imported them, for an earlier step or now."""
        for executed, reads in self._at_import:
            if not executed.isdisjoint(planned.code.files):
                yield from reads

    def _judge(self, planned: Planned, seen: Observation, outputs: dict[str, Artifact], *, hermetic: bool) -> Result:
        """Sort what was seen into what the key knows already, what a hit has to compare too, and what to warn about."""
        declared = ("file ", "variable ", "secret ")
        known = {name.partition(" ")[2] for name in planned.parts.policy if name.startswith(declared)}
        every = {(read.kind, read.name): read for read in (*self._read_at_import(planned), *seen.reads)}
        reads = tuple(read for read in every.values() if read.name not in known and read.name not in planned.code.files)
        undeclared = [read for read in reads if _is_step_s_own(read, planned)]
        if hermetic:
            searched = {os.path.realpath(entry) for entry in sys.path}  # an import may look for modules anywhere there
            _refuse(planned, undeclared, [name for name in seen.refused if name not in searched])
        moving = [*seen.unstable, *seen.unseen]
        reads = (*(read for read in reads if read.name not in moving), *map(_never_the_same, moving))
        warnings = [f"{name} changed while it was read: the result is not kept for later runs" for name in moving]
        warnings += [f"read {read.name}, which it does not declare: {_declaration(read)}" for read in undeclared]
        warnings += [f"wrote {name} into the project: a hit will not write it again; return it" for name in seen.writes]
        if not planned.node.options.network and not planned.node.options.changes:
            fix = "say network=True, and with changes=... when its result is out of date"
            warnings += [f"talked to {host}: {fix}" for host in seen.connections]
        return Result(outputs=outputs, reads=reads, warnings=tuple(map(printable, warnings)))


def _refuse(planned: Planned, undeclared: Sequence[Read], refused: Sequence[str]) -> None:
    """Raise StepError when a hermetic step read, or tried to read, what it does not declare.

    The trial counts too: a step that goes on without the file has another result where the file may be read.
    """
    tried = [*undeclared, *(Read(kind="file", name=name, digest="") for name in refused)]
    if tried:
        raise StepError(
            what=f"step `{planned.node.name}` read {tried[0].name} without declaring it",
            why="this run is hermetic: a step may read its arguments and what it declares, and nothing else",
            fix=_declaration(tried[0]),
        )


def _load(function: Callable[..., Any], planned: Planned, workspace: Workspace) -> dict[str, Any]:
    try:
        return load_arguments(function, planned.arguments, workspace.blobs)
    except TamperedError:
        leaves = [leaf for value in planned.arguments.values() for leaf in stored_in(value)]
        quarantine_damaged([leaf.artifact for leaf in leaves], workspace.blobs)  # so that the next run makes them anew
        raise


def _keep_reads(reads: tuple[Read, ...], workspace: Workspace) -> None:
    """Store the project files that a step read without declaring them: the run could not be reproduced without."""
    for read in reads:
        path = workspace.folder / read.name
        is_content = read.kind == "file" and len(read.digest) == 64 and not Path(read.name).is_absolute()
        if is_content and path.is_file() and path.stat().st_size <= _LARGEST_READ:
            workspace.blobs.put_file(path)


def _never_the_same(name: str) -> Read:
    """Stand for a file of which nobody can say what the step saw: a hit would need it unchanged."""
    return Read(kind="file", name=name, digest=UNSTABLE)


def _is_step_s_own(read: Read, planned: Planned) -> bool:
    """True for what the step should declare. What libraries ask for by themselves is compared, without a word."""
    if read.kind == "env":
        return any(read.name in text for text in planned.code.sources.values())
    probed = read.digest in (ABSENT, PRESENT) and Path(read.name).is_absolute()  # ~/.netrc and the like
    return read.kind != "import" and not probed


def _declaration(read: Read) -> str:
    if read.kind == "env":
        return f'say @step(env=["{read.name}"])'
    if read.kind == "folder":
        return f'say @step(files=["{read.name}/*"])'
    return f'say @step(files=["{read.name}"]), or make it a dataset'


def _context(planned: Planned, lease: Lease, workspace: Workspace, scratch: Path) -> context.Attempt:
    def restore(folder: Path) -> None:
        kept = store.find_checkpoint(workspace.db, planned.key)
        if kept is not None:
            folders.restore(kept, folder, workspace.blobs)

    def save(folder: Path) -> None:
        kept = folders.keep(folder, workspace.blobs)
        with workspace.db.transaction() as tx:
            if is_held(tx, lease):
                store.save_checkpoint(tx, planned.key, kept, saved_at=iso(workspace.clock.now()))

    return context.Attempt(
        step=planned.node.name,
        secrets=planned.node.options.secrets,
        scratch=scratch,
        restore=restore,
        save=save,
    )
