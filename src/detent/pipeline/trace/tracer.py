"""Follow one worker process: what does each step read, write, start and connect to?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from detent.errors import StepError
from detent.pipeline.trace import audit, environ, watch
from detent.pipeline.trace.candidates import files_in, words_of
from detent.pipeline.trace.environ import VARIABLES
from detent.pipeline.trace.ignored import Ignored, machine, program_folders, real_paths
from detent.pipeline.trace.imports import Imports
from detent.pipeline.trace.notes import Notes, told
from detent.pipeline.trace.observation import Findings, Observation
from detent.pipeline.trace.reads import Memo

_STANDARD_ERROR = 2
_BY_KERNEL = "seccomp: every file call of the process, its libraries and its children"
_BY_PYTHON = (
    "Python's audit hook and file names in the code, because the kernel reports no calls ({reason}): files that native "
    "libraries or child processes open under a name that is computed are not seen"
)


class Tracer:
    """Made once in a worker process, at its very start: what it sets up stays for good, idle between steps.

    NOTE: Programs that a step starts can't gain privileges any more (sudo). If the process that looks on is killed,
    each file call of the worker fails with ENOSYS, and `end` says so.
    """

    def __init__(self) -> None:
        self._watch, reason = watch.start()
        self.means = _BY_KERNEL if self._watch is not None else _BY_PYTHON.format(reason=reason)
        self._imports = Imports()
        self._memo = Memo()
        self._heard: audit.Heard | None = None
        self._ignored = Ignored("", ())
        self._of: tuple[str, list[str]] = ("", [])  # what `_ignored` was made from
        self._sources: tuple[str, ...] = ()
        self._spare = -1
        environ.install()

    def begin(
        self, folder: Path, ignore: Sequence[Path] = (), *, key: bytes = b"", sources: Sequence[str] = ()
    ) -> None:
        """Note what happens from now on.

        Args:
            folder: the project's.
            ignore: files and folders whose use is known otherwise: scratch folder, blob store, state.
            key: secret of the project; digests of variables are made with it.
            sources: text of the code that the step reaches; searched for file names where the kernel reports no calls.

        Raises:
            StepError: the process that looks on is gone, or an earlier step left too many files open.
        """
        root = real_paths((str(folder),))[0]
        named = tuple(str(path.absolute()) for path in ignore)
        given = [*named, *real_paths(named)]
        paths = [*machine(), *program_folders(root), *given]
        if (root, paths) != self._of:  # between the steps of a run it stays the same
            self._ignored, self._of = Ignored(root, paths), (root, paths)
        self._sources = tuple(sources)
        self._keep_one_descriptor()
        self._imports.begin()
        notes = None
        if self._watch is not None:
            self._watch.begin(root, paths)
        else:
            notes = Notes(self._ignored)
        VARIABLES.begin(key)
        self._heard = audit.begin(notes)

    def end(self) -> Observation:
        """Note no more, and return what happened since `begin`.

        Raises:
            StepError: the process that looks on is gone, so that nobody knows what the step read.
            StoreError: a file that the step read can't be read now.
        """
        audit.end()
        variables = VARIABLES.end()
        executed = self._imports.end()
        heard, self._heard = self._heard, None
        if heard is None:
            raise StepError(
                what="a trace was ended that was not begun", why="`end` was called twice", fix="call `begin` first"
            )
        if self._watch is not None:
            notes = told(self._watch.end(), self._ignored)
        else:
            notes = heard.notes or Notes(self._ignored)
            self._guess(notes, heard, executed)
        self._free_one_descriptor()
        folders = frozenset(real_paths(tuple(sys.path)))
        findings = Findings(notes, heard.importers, executed, folders, self._memo)
        return findings.conclude(variables, heard.hosts, self.means)

    def _guess(self, notes: Notes, heard: audit.Heard, executed: dict[str, str]) -> None:
        """Take files that the code names, and arguments of programs, for read."""
        mine = [path for path in executed if path not in self._ignored]
        sources = self._sources or [_source(path) for path in mine]
        files, folders = files_in(words_of(sources) | heard.words, Path(self._ignored.folder))
        for path in files:
            notes.opened(path, os.O_RDONLY)
        for path in folders:
            notes.listed(path)

    def _keep_one_descriptor(self) -> None:
        """Hold one descriptor back, so that files can be read at the end of a step that used up all others."""
        if self._spare >= 0:
            return
        try:
            self._spare = os.dup(_STANDARD_ERROR)  # to open a file would be one more call that is reported
        except OSError as error:
            raise StepError(
                what="this worker process can open no more files",
                why=f"a step that ran here before left them open ({error})",
                fix="close what the steps open, with `with open(...)`",
            ) from error

    def _free_one_descriptor(self) -> None:
        os.close(self._spare)
        self._spare = -1


def _source(path: str) -> str:
    """Return a module's source; "" when its file is gone since it was imported."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
