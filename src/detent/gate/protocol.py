"""What a kind of check must be able to do."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from detent.gate.evidence import Evidence
from detent.records.check import Check, CheckResult


@runtime_checkable
class CheckPlugin(Protocol):
    """A kind of check: made without arguments, called once per line of the gate section.

    A call is pure: no clock, no I/O, no state between calls, so it may run in any thread; what is random comes from
    `evidence.seed`. The evidence is shared and must not be changed.
    """

    summary: ClassVar[str]  # one sentence for `detent explain` and the docs

    def __call__(self, check: Check, evidence: Evidence) -> CheckResult:
        """Measure and conclude.

        Raises:
            ProjectError: the check makes no sense for this project (no such metric or column); nothing is judged.
            UndefinedMetricError: the rows have no answer; the judge makes it `inconclusive`.
            Exception: anything else; a check that could not run is a failure, so the judge makes it `reject`.
        """
        ...
