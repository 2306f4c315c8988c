"""What a dataset promises, and what came of each promise."""

from __future__ import annotations

from dataclasses import dataclass

PASS, WARN, FAIL = "pass", "warn", "fail"

Bound = float | str  # a number (seconds for durations), or an ISO time


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One line of a dataset's `expect` list, parsed. A field that the line does not use keeps its default."""

    text: str  # as the user wrote it, with single spaces
    name: str  # the word before the bracket: null_rate, range, psi, rows ...
    columns: tuple[str, ...] = ()
    op: str = ""  # ">=" ">" "<=" "<" | "in" | "not in" | "within" | "" (nothing to compare with)
    threshold: float | None = None  # a limit in its own unit; a factor when `last`; a share for "within"
    low: Bound | None = None  # of "in low..high"; None: no bound
    high: Bound | None = None
    open_low: bool = False  # the bound itself is outside
    open_high: bool = False
    values: tuple[float | str | bool, ...] = ()  # of "in [..]" and "not in [..]"
    argument: str = ""  # regular expression, SQL expression, or the share of a quantile
    other: str = ""  # "dataset.column" that must have the value
    last: bool = False  # compares with the last snapshot that passed
    share: float = 1.0  # least share of the judged rows that must keep it
    severity: str = FAIL  # "fail" | "warn": what a broken promise is
    line: int = 0  # in detent.yaml
    origin: str = ""  # where it came from when it was not written here, such as "expectations/flights.json[3]"
    note: str = ""  # what its origin says about it


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A file of Great Expectations in a dataset's `expect` list."""

    path: str  # JSON file, relative to the project folder
    engine: str  # "auto": ours where they map, else the real one | "detent": ours only | "gx": the real one only
    severity: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationResult:
    """What one promise measured and whether it was kept."""

    expectation: str  # the text of the promise
    severity: str
    outcome: str  # "pass" | "warn" | "fail"
    value: float | None  # what was measured; None: nothing to measure
    threshold: float | None  # the limit it was held against, in the same unit
    rows: int  # rows that were judged
    failing: int  # rows that break it; 0 for a statement about the whole table
    reason: str  # one sentence a user can act upon
    columns: tuple[str, ...] = ()  # that the promise is about
    kept: str = ""  # blob of Parquet with the first failing rows and their numbers (`__row__`, from 0); "": none


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCheck:
    """Every promise of one dataset, held against one snapshot of it."""

    dataset: str
    snapshot: str
    last: str | None  # the snapshot that it was compared with; None: no earlier one passed
    outcome: str  # the worst of the results
    results: tuple[ExpectationResult, ...]
    expectations: str  # digest of the promises' texts
