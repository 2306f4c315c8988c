"""What a step may ask for while it runs: a folder to put its progress aside, secrets, a progress bar."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from detent.errors import ProjectError
from detent.pipeline.codecs.scratch import make_private
from detent.project.environment import Secret, read_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The attempt that runs just now in this process."""

    step: str
    secrets: tuple[str, ...]  # names that the step declares
    scratch: Path  # of a folder that is removed afterwards, to be made by who needs it
    restore: Callable[[Path], None]  # puts what an earlier attempt saved into a folder
    save: Callable[[Path], None]  # keeps a folder for the next attempt


current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Checkpoint:
    """A folder that outlives a failed attempt: the next attempt at the same work finds what was saved last."""

    def __init__(self, folder: Path, save: Callable[[Path], None]) -> None:
        self.folder = folder
        self._save = save

    def save(self) -> None:
        """Keep the folder's files as they are now; from here on, a killed step goes on from them."""
        self._save(self.folder)


def checkpoint() -> Checkpoint:
    """Return the step's checkpoint, with the files that an earlier attempt saved.

    "The same work" is the same cache key: after a change of code, parameters or inputs the folder is empty again, and
    once the step has succeeded, nothing is left. Outside a run it is an empty temporary folder.
    """
    attempt = current.get()
    if attempt is None:
        return Checkpoint(Path(tempfile.mkdtemp(prefix="detent-checkpoint-")), lambda _: None)
    folder = attempt.scratch / "checkpoint"
    if not folder.is_dir():
        make_private(attempt.scratch)
        folder.mkdir()
        attempt.restore(folder)
    return Checkpoint(folder, attempt.save)


def secret(name: str) -> Secret:
    """Return a secret that the step declares: `@step(secrets=["API_TOKEN"])`; it shows itself only by `.reveal()`.

    Raises:
        ProjectError: it is not set, or the step does not declare it, so that a change of it would go unseen.
    """
    attempt = current.get()
    if attempt is not None and name not in attempt.secrets:
        raise ProjectError(
            what=f"step `{attempt.step}` asks for the secret `{name}` without declaring it",
            why="a result that depends on it would be kept after the secret has changed",
            fix=f'write @step(secrets=["{name}"])',
        )
    found = read_secret(name)
    if found is None:
        raise ProjectError(
            what=f"secret `{name}` is not set",
            why="secrets are read from the environment",
            fix=f"set the environment variable {name}",
        )
    return found
