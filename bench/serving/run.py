"""Serving side by side: what one prediction costs, at what latency, and what is lost when things change.

    python bench/serving/run.py --cache .bench/serving            # all of it; the report lies in the cache folder
    python bench/serving/run.py --cache .bench/serving --quick    # about 8 minutes
    python bench/serving/run.py --cache .bench/serving --write docs/benchmarks.md

Needs Linux, two cores, uv, wrk, taskset. Makes the servers' environments; --resume goes on with an ended run.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import closed
import contestants
import environments
import open_loop
import swaps
import tables
from closed import Closed
from contestants import Contestant
from generator import Plan
from open_loop import Open
from questions import Questions
from results import Life, Results
from server import Server, ServerError, running
from swaps import Kills, Swaps

PARTS = ("closed", "open", "swaps")
QUICK = {"raw", "detent", "fastapi"}  # whose m2 and m3 a quick run measures


def main() -> None:
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are ended
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    results = Results(cache / "results.jsonl", fresh=not (options.resume or options.print))
    if not options.print:
        taking_part = _chosen(options.tools)
        names = list(dict.fromkeys(["detent", "raw", *(one.environment for one in taking_part)]))
        environments.create(cache, names)
        maker = Path(__file__).parent / "models.py"
        subprocess.run([environments.python_of(cache, "detent"), maker, cache / "models"], check=True)
        results.describe(cache, names, seconds=options.seconds, repeats=options.repeats, quick=options.quick)
        Bench(options, cache, results, taking_part).run()
        shutil.rmtree(cache / "work", ignore_errors=True)
    report = tables.render(results)
    (cache / "report.md").write_text(report)
    if options.write:
        tables.put(options.write, report)
    print(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--cache", type=Path, default=Path(".bench/serving"), help="folder for all that is made")
    parser.add_argument("--tools", type=listed, default=[], help="only these environments, such as detent,raw,fastapi")
    parser.add_argument("--parts", type=listed, default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--models", type=listed, default=["m1", "m2", "m3"])
    parser.add_argument("--connections", type=lambda text: [*map(int, text.split(","))], default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each point")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--requests", type=int, default=200_000, help="at least so many during the swaps")
    parser.add_argument("--quick", action="store_true", help="3 s a point, 1 and 16 connections, once")
    parser.add_argument("--resume", action="store_true", help="keep what was measured before")
    parser.add_argument("--print", action="store_true", help="only print what was measured before")
    parser.add_argument("--write", type=Path, help="put the report into this Markdown file, between its markers")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.connections, options.repeats = min(options.seconds, 3.0), [1, 16], 1
    return options


def _chosen(tools: Sequence[str]) -> list[Contestant]:
    """Those asked for; the floor and detent always, which the others are held against."""
    return [one for one in contestants.ALL if not tools or one.environment in {*tools, "raw", "detent"}]


class Bench:
    """Measures in turns over all servers, so that a noisy hour hits nobody alone."""

    def __init__(
        self, options: argparse.Namespace, cache: Path, results: Results, taking_part: list[Contestant]
    ) -> None:
        self.options, self.cache, self.results, self.taking_part = options, cache, results, taking_part
        self.port = 18_000

    def run(self) -> None:
        for repeat in range(self.options.repeats):
            for model in self.options.models:
                for contestant in self.taking_part:
                    if self._takes(contestant, model):
                        self._life(contestant, model, repeat)
        if "swaps" in self.options.parts:
            self._swaps()

    def _takes(self, contestant: Contestant, model: str) -> bool:
        """Variants show what a setting costs; that is seen with one model."""
        few = not self.options.quick or contestant.environment in QUICK
        return model == "m1" or (few and (contestant.mixed if model == "m2" else contestant.main))

    def _life(self, contestant: Contestant, model: str, repeat: int) -> None:
        key = (contestant.name, model, repeat)
        if key in {(one.contestant, one.model, one.repeat) for one in self.results.of(Life)}:
            return
        self.port += 10  # a port of its own: the last server's connections may linger
        place = contestants.place(self.cache, contestant, model, self.port)
        questions = Questions(contestant, place.model)
        found: list[Closed | Open] = []
        life = {"contestant": contestant.name, "model": model, "repeat": repeat}
        try:
            with running(contestant, place, lambda: questions.first(place.port)) as server:
                if "closed" in self.options.parts:
                    found += self._closed(questions, server, place.folder, model, repeat)
                memory = server.memory()  # before the overload, which not every variant goes through
                if "open" in self.options.parts and model == "m1" and contestant.main:
                    found += self._open(questions, server, place, repeat)
                about = Life(**life, cold=server.cold, memory=memory, processes=len(server.pids()), failed="")
        except ServerError as error:
            found, about = [], Life(**life, cold=0.0, memory=0, processes=0, failed=str(error)[-2000:])
        for record in found:  # all of a life or nothing: --resume leaves out lives that are there
            self.results.add(record)
        self.results.add(about)

    def _closed(self, questions: Questions, server: Server, work: Path, model: str, repeat: int) -> list[Closed]:
        return [
            closed.measure(
                questions, server, work,
                model=model, connections=connections, seconds=self.options.seconds, repeat=repeat,
            )
            for connections in self.options.connections
        ]  # fmt: skip

    def _open(self, questions: Questions, server: Server, place: contestants.Place, repeat: int) -> list[Open]:
        """What the server can do is measured in this very life, so that shares of it are shares."""
        quick = self.options.quick
        shares = [(0.8, 1)] if quick else [(share, 1) for share in open_loop.SHARES]
        many = Questions(questions.contestant, place.model, open_loop.OVERLOAD_ROWS)
        seconds = 1.0 if quick else 3.0
        found: list[Open] = []
        capacity = {
            rows: open_loop.capacity(asked, server, place.folder, seconds=seconds)
            for rows, asked in ((1, questions), (open_loop.OVERLOAD_ROWS, many))
        }
        for share, rows in [*shares, (open_loop.OVERLOAD, open_loop.OVERLOAD_ROWS)]:
            plan = Plan(
                contestant=questions.contestant.name, model=str(place.model), port=server.port,
                rate=share * capacity[rows], seconds=self.options.seconds,
                connections=open_loop.CONNECTIONS, rows=rows, seed=repeat,
            )  # fmt: skip
            found.append(open_loop.measure(server, plan, cache=self.cache, share=share, repeat=repeat))
        return found

    def _swaps(self) -> None:
        detent = next(one for one in contestants.ALL if one.name == "detent")
        quick = self.options.quick
        if not self.results.of(Swaps):
            requests, self.port = (20_000 if quick else self.options.requests), self.port + 10
            self.results.add(swaps.swap(self.cache, detent, port=self.port, swaps=20, rate=5_000, requests=requests))
        if not self.results.of(Kills):
            self.port += 10
            self.results.add(swaps.kill(self.cache, detent, port=self.port, kills=1 if quick else 5, rate=2_000))


if __name__ == "__main__":
    main()
