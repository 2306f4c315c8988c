"""What went wrong in a step, as an error that says what, why, how to fix it and where."""

from __future__ import annotations

from detent.errors import Place, StepError
from detent.pipeline.executors.protocol import Died, Ended, Raised, TimedOut


def step_error(ended: Ended, log: str) -> StepError:
    """Return the error of a job that did not end well; `log` is the path of what it printed."""
    outcome, job = ended.outcome, ended.job
    tries = f" (attempt {job.attempt})" if job.attempt > 1 else ""
    where: Place | None = Place(file=log)
    if isinstance(outcome, Raised):
        what, where = f"step `{job.step}` failed{tries}", _place(outcome) or where
        if outcome.error is not None:
            what, why, fix = f"{what}: {outcome.error.what}", outcome.error.why, outcome.error.fix
        else:
            why = f"{outcome.kind}: {outcome.message}" if outcome.message else outcome.kind
            fix = "mend the line below"
        fix += f" (log: {log})"
    elif isinstance(outcome, TimedOut):
        what = f"step `{job.step}` took too long{tries}"
        why = f"it was killed after its timeout of {outcome.seconds:g} s"
        fix = f"see what it did last in {log}; make it faster, or raise its timeout"
    else:
        how = outcome.how if isinstance(outcome, Died) else "it ended without a result"
        what = f"the process of step `{job.step}` died{tries}"
        why = f"{how}: often the system is out of memory and ends the largest process"
        fix = f"see what it did last in {log}; use less memory, for example fewer rows at a time"
    return StepError(what=what, why=why, fix=fix, where=where)


def _place(outcome: Raised) -> Place | None:
    return Place(file=outcome.file, line=outcome.line) if outcome.file else None
