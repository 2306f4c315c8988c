"""What went wrong in a step, as an error that says what, why, how to fix it and where."""

from __future__ import annotations

import traceback
from pathlib import Path

from detent.errors import DetentError, Place, StepError
from detent.pipeline.executors.protocol import Died, Ended, Raised, TimedOut, TooLarge

_LONGEST_MESSAGE = 4_000
_TRANSIENT = (ConnectionError, TimeoutError, InterruptedError, BlockingIOError)
_DEATHS = (
    (
        ("SIGKILL", "SIGTERM"),
        "often the system is out of memory and ends the largest process",
        "use less memory, for example fewer rows at a time",
    ),
    (
        ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"),
        "a library below Python crashed",
        "call the step with `python -X faulthandler` to see where, and try another version of the library",
    ),
)
_ENDED = ["the step, or a library that it uses, ended the process", "look for os._exit there, and return instead"]


def raised(error: BaseException, folder: Path, retry_on: tuple[type[Exception], ...] = ()) -> Raised:
    """Describe an exception of a step so that it can be sent to another process."""
    file, line = "", None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(folder):
            file, line = frame.filename, frame.lineno
    text = said(error)
    if isinstance(error, SystemExit):
        text = f"the step ended its process with sys.exit({text}); return instead"
    return Raised(
        kind=type(error).__name__,
        message=text[:_LONGEST_MESSAGE],
        transient=isinstance(error, (*_TRANSIENT, *retry_on)),
        file=file,
        line=line,
        # Only errors of this package: the other side may not know a class of the user's.
        error=error if isinstance(error, DetentError) and type(error).__module__ == DetentError.__module__ else None,
    )


def said(error: BaseException) -> str:
    """Return the text of an exception, which may have none that can be made, printed or stored."""
    try:
        return printable(str(error))
    except Exception as another:  # noqa: BLE001  (a user's own `__str__`)
        return f"(making its text raised {type(another).__name__})"


def printable(text: str) -> str:
    """Return a text that every file and terminal takes: what is no valid Unicode, as in odd file names, is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def step_error(ended: Ended, *, name: str, log: str) -> StepError:
    """Return the error of a task that did not end well; `log` is the path of what it printed."""
    outcome, task = ended.outcome, ended.task
    tries = f" (attempt {task.attempt})" if task.attempt > 1 else ""
    where: Place | None = Place(file=log)
    if isinstance(outcome, Raised):
        what, where = f"step `{name}` failed{tries}", _place(outcome) or where
        if outcome.error is not None:
            what, why, fix = f"{what}: {outcome.error.what}", outcome.error.why, outcome.error.fix
            where = where if outcome.file else outcome.error.where or where
        else:
            why = f"{outcome.kind}: {outcome.message}" if outcome.message else outcome.kind
            fix = "mend the line below"
        fix += f" (log: {log})"
    elif isinstance(outcome, TimedOut):
        what = f"step `{name}` took too long{tries}"
        why = f"it was killed after its timeout of {outcome.seconds:g} s"
        fix = f"see what it did last in {log}; make it faster, or raise its timeout"
    elif isinstance(outcome, TooLarge):
        what = f"step `{name}` used too much memory{tries}"
        why = f"it used {outcome.used / 2**20:,.0f} MiB and may use {outcome.limit / 2**20:,.0f} MiB, so it was killed"
        fix = f"take fewer rows at a time, or raise its `memory` (log: {log})"
    else:
        how = outcome.how if isinstance(outcome, Died) else "it ended without a result"
        what = f"the process of step `{name}` died{tries}"
        reason, advice = next((said for signs, *said in _DEATHS if how.endswith(signs)), _ENDED)
        why, fix = f"{how}: {reason}", f"see what it did last in {log}; {advice}"
    return StepError(what=what, why=why, fix=fix, where=where)


def _place(outcome: Raised) -> Place | None:
    return Place(file=outcome.file, line=outcome.line) if outcome.file else None
