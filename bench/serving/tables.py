"""The tables of docs/benchmarks.md, from what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from closed import Closed
from open_loop import OVERLOAD, Open
from results import Life, Results
from swaps import Kills, Swaps, told

BEGIN, END = "<!-- bench/serving begin -->", "<!-- bench/serving end -->"
MODELS = {
    "m1": "100 trees of 31 leaves, 20 numbers",
    "m2": "logistic regression behind one-hot columns, 12 numbers and 8 texts",
    "m3": "net of 20, 512, 512 and 1 units",
}
Point = TypeVar("Point", Closed, Open)
FLOOR, OURS = "L0: echo + model", "detent"


def render(results: Results) -> str:
    return "\n".join(_parts(results))


def put(page: Path, report: str) -> None:
    """Replace what lies between the markers."""
    before, rest = page.read_text().split(BEGIN, 1)
    _, after = rest.split(END, 1)
    page.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}")


def _parts(results: Results) -> Iterator[str]:
    for about in results.about[-1:]:
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        yield f"Measured on {about['date']} (detent at commit {about['commit']}) by\n"
        yield f"    python bench/serving/run.py{' --quick' if about['quick'] else ''} --write docs/benchmarks.md\n"
        yield f"{versions}; ONNX Runtime 1.31.1; Python {about['python']}"
        yield f"{about['cores']} cores of a {about['cpu']}; Linux {about['kernel']}; {about['seconds']:g} s per point,"
        yield f"{about['repeats']} repeats in turns over all servers; load average at the start {about['load'][0]}.\n"
    points, lives = results.of(Closed), results.of(Life)
    for model in dict.fromkeys(one.model for one in points):
        mine = [one for one in points if one.model == model]
        yield f"\n### {MODELS[model][0].upper() + MODELS[model][1:]}: server CPU per request, us\n"
        yield _overview(mine, [one for one in lives if one.model == model])
        for connections in sorted({one.connections for one in mine}):
            yield f"\n#### {model}, {_connections(connections)}, closed loop\n"
            yield _closed([one for one in mine if one.connections == connections])
    yield from _open_parts(results.of(Open))
    for swaps in results.of(Swaps):
        yield "\n### detent: 20 versions swapped under load\n"
        yield _swaps(swaps)
    for kills in results.of(Kills):
        yield "\n### detent: `kill -9` of one of two workers under load\n"
        yield _kills(kills)
    if failed := {one.contestant: one.failed for one in lives if one.failed}:
        yield "\n### Did not start\n"
        yield _table(["server", "what it said last"], [[name, _line(said)] for name, said in failed.items()], left=2)


def _open_parts(points: Sequence[Open]) -> Iterator[str]:
    for share in dict.fromkeys(one.share for one in points):
        mine = [one for one in points if one.share == share]
        if share == OVERLOAD:
            yield f"\n### Twice the capacity: {mine[0].rows} rows per request, whoever waits 1 s gives up\n"
            yield _overload(mine)
        else:
            yield f"\n### Open loop at {100 * share:.0f} % of the capacity\n"
            yield _open(mine)


def _overview(points: Sequence[Closed], lives: Sequence[Life]) -> str:
    """CPU per request and its ratios to detent and to L0, for each number of connections."""
    counts = sorted({one.connections for one in points})
    names = list(dict.fromkeys(one.contestant for one in points))
    cpu = {
        (name, count): _median([one.cpu for one in points if (one.contestant, one.connections) == (name, count)])
        for name in names
        for count in counts
    }
    head = ["server", *(f"{_connections(count)} (/ detent, / L0)" for count in counts)]
    head += ["processes", "memory, MB", "cold start, s"]
    lines: list[list[str]] = []
    for name in names:
        cells = [
            f"{_short(cpu[name, count])} ({_ratio(cpu[name, count], cpu.get((OURS, count)))}, "
            f"{_ratio(cpu[name, count], cpu.get((FLOOR, count)))})"
            for count in counts
        ]
        own = [one for one in lives if one.contestant == name and not one.failed]
        rest = [str(own[-1].processes), f"{_median([one.memory for one in own]) / 1e6:.0f}"] if own else ["", ""]
        lines.append([name, *cells, *rest, _spread([one.cold for one in own], "{:.1f}".format)])
    return _table(head, lines)


def _closed(points: Sequence[Closed]) -> str:
    head = ["server", "CPU us/request", "requests/s", "p50 us", "p99 us", "p99.9 us", "load", "note"]
    lines: list[list[str]] = []
    for name, own in _by_name(points):
        figures = [[getattr(one, key) for one in own] for key in ("cpu", "rate", "p50", "p99", "p999")]
        lines.append([name, *(_spread(one, _short) for one in figures), _loads(own), _notes(own)])
    return _table(head, lines)


def _open(points: Sequence[Open]) -> str:
    head = ["server", "planned/s", "right within 1 s, /s", "p50 us", "p99 us", "p99.9 us", "CPU us/answer"]
    head += ["generator late, p99 us", "load", "note"]
    lines: list[list[str]] = []
    for name, own in _by_name(points):
        keys = ("rate", "good", "p50", "p99", "p999", "cpu", "lag")
        figures = [_spread([getattr(one, key) for one in own], _short) for key in keys]
        lines.append([name, *figures, _loads(own), _notes(own)])
    return _table(head, lines)


def _overload(points: Sequence[Open]) -> str:
    head = ["server", "planned/s", "sent/s", "right within 1 s, /s", "p99 us of 200s", "what came back", "load"]
    lines: list[list[str]] = []
    for name, own in _by_name(points):
        figures = [_spread([getattr(one, key) for one in own], _short) for key in ("rate", "sent", "good", "p99")]
        counts: dict[str, int] = {}
        for one in own:
            for key, number in one.counts.items():
                counts[key] = counts.get(key, 0) + number
        came = ", ".join(f"{key}: {number:,}" for key, number in sorted(counts.items()))
        lines.append([name, *figures, came, _loads(own)])
    return _table(head, lines)


def _swaps(one: Swaps) -> str:
    head = ["requests", "failed", "requests/s", "promotion to 100 % of answers, ms", "loading before it, ms"]
    line = [f"{one.requests:,}", str(one.failed), f"{one.rate:,.0f}", told(one.promote), told(one.prepare)]
    return _table([*head, "p50 us", "p99.9 us", "load"], [[*line, _short(one.p50), _short(one.p999), _load(one.load)]])


def _kills(one: Kills) -> str:
    head = ["kills", "requests", "failed", "of these", "new process after, ms", "p50 us", "p99.9 us", "load"]
    came = ", ".join(f"{key}: {number:,}" for key, number in sorted(one.counts.items()) if key != "200")
    line = [str(one.kills), f"{one.requests:,}", str(one.failed), came, told(one.back)]
    return _table(head, [[*line, _short(one.p50), _short(one.p999), _load(one.load)]])


def _by_name(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    for name in dict.fromkeys(one.contestant for one in points):
        yield name, [one for one in points if one.contestant == name]


def _connections(count: int) -> str:
    return f"{count} connection{'s' * (count > 1)}"


def _spread(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """The median; with the least and the greatest where there are several."""
    if not values:
        return ""
    middle = shown(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({shown(min(values))} .. {shown(max(values))})"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float, other: float | None) -> str:
    return f"{value / other:.2g}x" if other and value / other < 10 else f"{value / other:.0f}x" if other else "-"


def _loads(points: Sequence[Closed] | Sequence[Open]) -> str:
    loads = [one.load for one in points]
    return _load(min(loads)) if len(loads) == 1 else f"{_load(min(loads))} .. {_load(max(loads))}"


def _load(value: float) -> str:
    return f"{value:.1f}"


def _notes(points: Sequence[Closed] | Sequence[Open]) -> str:
    voids = [f"VOID: {one.void}" for one in points if one.void]
    counts = [one.counts for one in points if isinstance(one, Open)]
    others = [f"{key}: {number}" for one in counts for key, number in one.items() if key not in {"200", "wrong"}]
    return "; ".join([*voids, *others])


def _line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or [""])[-1].replace("|", "/")[:200]


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> str:
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])
