"""What a case needs of a tool; every tool is a file in `tools/` that fills it in."""

# ruff: noqa: ARG002 - not every tool needs all that a case gives it

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import measure
from environments import python_of
from measure import Sample

from project import Project, Writer

QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "USERNAME": "bench",  # Metaflow refuses the user root
    "NO_COLOR": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one project of one tool lives."""

    folder: Path  # the project
    home: Path  # what the tool keeps outside the project: its server's database, its store
    log: Path  # one line for each executed step
    cache: Path  # environments of all tools
    variables: dict[str, str] = field(default_factory=dict)  # further environment variables of a case

    @property
    def report(self) -> Path:
        return self.home / "result.json"


class Tool:
    """A tool in one way of using it. Subclasses say how; nothing here knows a case."""

    name = ""  # in the tables
    environment = ""  # in environments.PACKAGES
    caches = True  # False: it does everything at each run, by design
    per_module = 100  # step functions in one file; a tool that compares files wants 1

    def make(self, project: Project, place: Place) -> Writer:
        """Write the project for this tool and do what its users do once, such as `init`."""
        raise NotImplementedError

    def command(self, report: bool) -> Sequence[str]:
        """What users type; with `report` it also writes the pipeline's answer to the path in $BENCH_REPORT."""
        raise NotImplementedError

    def again(self) -> Sequence[str]:
        """What users type after a run was killed, to go on where it was."""
        return self.command(report=False)

    def settings(self, place: Place) -> Mapping[str, str]:
        return {}

    def set_params(self, writer: Writer, project: Project, values: dict[str, object]) -> None:
        writer.params(values)

    def result(self, project: Project, place: Place) -> object:
        """The answer of the last run with `report`."""
        return json.loads(place.report.read_text())

    def copies(self, place: Place) -> tuple[list[Path], list[Path]]:
        """Folders in which the tool keeps outputs: its store, and copies that it can make again from the store."""
        return [place.folder], []

    @contextlib.contextmanager
    def serving(self, place: Place) -> Iterator[None]:
        """A server of the tool that runs during a case, if this way of using it has one."""
        yield

    def variables(self, place: Place) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"LANG", "LC_ALL", "TMPDIR"}}
        python = python_of(place.cache, self.environment)
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        ours = {"PATH": path, "HOME": str(place.home), "BENCH_REPORT": str(place.report)}
        return {**kept, **QUIET, **ours, **self.settings(place), **place.variables}

    def execute(
        self,
        command: Sequence[str],
        place: Place,
        *,
        cap: float,
        memory: bool = False,
        watch: threading.Event | None = None,
        printed: str = "printed.txt",
        alone: bool = True,
    ) -> Sample:
        place.home.mkdir(parents=True, exist_ok=True)
        return measure.execute(
            command,
            folder=place.folder,
            env=self.variables(place),
            log=place.home / printed,
            cap=cap,
            memory=memory,
            watch=watch,
            alone=alone,
        )

    def run(
        self,
        place: Place,
        *,
        report: bool = False,
        cap: float = 600,
        memory: bool = False,
        watch: threading.Event | None = None,
    ) -> Sample:
        place.report.unlink(missing_ok=True)
        return self.execute(self.command(report), place, cap=cap, memory=memory, watch=watch)

    def prepare(self, command: Sequence[str], place: Place) -> None:
        """Run a command of the setting up; it must work."""
        sample = self.execute(command, place, cap=300)
        if sample.code:
            raise SystemExit(f"{self.name}: `{' '.join(command)}` ended with {sample.code}:\n{sample.printed[-3000:]}")


def last_line(sample: Sample, place: Place) -> str:
    """What a command said at its end, without the paths of this machine."""
    if sample.stopped:
        return "stopped: it took too long"
    lines = [line.strip() for line in sample.printed.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"error:|[\w.]*(Error|Exception|NotFound)\b", line)]
    said = (errors or lines or [f"ended with status {sample.code}"])[-1]
    for path in (place.folder, place.home, place.folder.parent, place.cache):
        said = said.replace(f"{path}/", "").replace(str(path), ".")
    return said[:200]


def executed(place: Place) -> list[str]:
    """The steps that were executed since the log was last cleared, in their order."""
    return place.log.read_text().split() if place.log.exists() else []


def clear(place: Place) -> None:
    place.log.unlink(missing_ok=True)


REPORT = """
if "--report" in sys.argv:
    Path(os.environ["BENCH_REPORT"]).write_text(json.dumps(answer))
"""
HEAD = """from __future__ import annotations

import json
import os
import sys
from pathlib import Path

"""
