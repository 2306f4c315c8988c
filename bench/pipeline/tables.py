"""The tables of docs/benchmarks.md, from what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from cases import Timing
from files import Operation
from rough import Crash, Pair
from rows import Row
from truth import Verdict

BEGIN, END = "<!-- begin bench/pipeline -->", "<!-- end bench/pipeline -->"
KINDS = {
    "cold": "cold: nothing has run yet",
    "nothing": "nothing changed",
    "leaf": "last step's code changed",
    "root": "first step's code changed",
    "helper": "helper of the last ten steps changed",
}
SHAPES = {"chain": "chain", "layers": "layers of 10", "heavy": "chain, modules import scikit-learn"}
SIGNS = {"right": "right", "more": "right, ran {extra} too many", "all": "right, ran all", "stale": "**STALE**"}


def seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % of the samples do not exceed; of few samples, the greatest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)]


def table(head: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> str:
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *lines])


def timings(found: Sequence[Timing]) -> str:
    """A table for each shape, size and kind."""
    parts = []
    groups: dict[tuple[str, int, str], list[Timing]] = {}
    for timing in found:
        groups.setdefault((timing.shape, timing.count, timing.kind), []).append(timing)
    head = ["tool", "steps run", "wall: median", "min", "p95", "CPU: median", "memory", "runs", "load"]
    for (shape, count, kind), lines in groups.items():
        minimum = max(timing.minimum for timing in lines)
        parts.append(f"\n#### {count:,} steps, {SHAPES[shape]}: {KINDS[kind]} (must run: {minimum:,})\n\n")
        parts.append(table(head, map(_timing, lines)))
    return "".join(parts)


def _timing(timing: Timing) -> list[str]:
    load = f"{min(timing.load):.1f} .. {max(timing.load):.1f}" if timing.load else ""
    if not timing.wall:
        return [timing.tool, "", timing.note, "", "", "", "", "", load]
    steps = ", ".join(map(str, sorted({*timing.executed})))
    if timing.right is False:
        steps += " **STALE**"
    peak = f"{timing.peak / 1e6:.0f} MB" if timing.peak else ""
    walls = [seconds(statistics.median(timing.wall)), seconds(min(timing.wall)), seconds(p95(timing.wall))]
    cpu = seconds(statistics.median(timing.cpu))
    return [timing.tool, steps, *walls, cpu, peak, str(len(timing.wall)), load]


def overview(found: Sequence[Timing], kind: str) -> str:
    """Medians of one kind, wall and CPU: a line for each tool, a column for each shape and size."""
    places = list(dict.fromkeys((one.shape, one.count) for one in found if one.kind == kind and one.shape != "heavy"))
    by = {(one.tool, one.shape, one.count): one for one in found if one.kind == kind}
    tools = list(dict.fromkeys(one.tool for one in found))
    head = ["tool", *(f"{count:,} {SHAPES[shape]}" for shape, count in places)]
    lines = [[tool, *(_short(by.get((tool, *place))) for place in places)] for tool in tools]
    return table(head, lines)


def _short(timing: Timing | None) -> str:
    if timing is None:
        return ""
    if not timing.wall:
        return timing.note if timing.note.startswith(">") else "not tried" if timing.note.startswith("not") else "-"
    median = f"{seconds(statistics.median(timing.wall))} ({seconds(statistics.median(timing.cpu))})"
    if timing.right is False:
        return f"{median}, STALE"
    extra = max(timing.executed) - timing.minimum
    return median if extra <= 0 else f"{median}, ran {max(timing.executed):,}"


def overheads(found: Sequence[Timing]) -> str:
    """What a tool adds to each trivial step of a cold run, wall and CPU: (its median - plain Python's) / steps."""
    cold = {(one.tool, one.shape, one.count): one for one in found if one.kind == "cold" and one.wall}
    places = [(shape, count) for tool, shape, count in cold if tool == "plain Python" and count >= 100]
    tools = [tool for tool in dict.fromkeys(one.tool for one in found) if tool != "plain Python"]
    lines = [[tool, *(_overhead(cold.get((tool, *at)), cold["plain Python", *at]) for at in places)] for tool in tools]
    return table(["tool", *(f"{count:,} {SHAPES[shape]}" for shape, count in places)], lines)


def _overhead(timing: Timing | None, plain: Timing) -> str:
    if timing is None:
        return ""
    wall, cpu = (
        1000 * (statistics.median(ours) - statistics.median(bare)) / timing.count
        for ours, bare in ((timing.wall, plain.wall), (timing.cpu, plain.cpu))
    )
    return f"{wall:.1f} ms ({cpu:.1f})"


def truths(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
    tools = list(dict.fromkeys(one.tool for one in verdicts))
    by = {(one.row, one.tool): one for one in verdicts}
    lines = [[f"{row.number}", row.title, *(_verdict(by.get((row.number, tool))) for tool in tools)] for row in rows]
    lines.append(["", "**right answers**", *(_count(verdicts, tool, {"right", "more", "all"}) for tool in tools)])
    lines.append(["", "**... and no step too many**", *(_count(verdicts, tool, {"right"}) for tool in tools)])
    return table(["", "what changes", *tools], lines, left=2)


def _verdict(one: Verdict | None) -> str:
    if one is None:
        return ""
    if one.word in SIGNS:
        return SIGNS[one.word].format(extra=one.executed - one.minimum)
    return one.word


def _count(verdicts: Sequence[Verdict], tool: str, words: set[str]) -> str:
    mine = [one for one in verdicts if one.tool == tool and one.word != "n/a"]
    return f"**{sum(one.word in words for one in mine)} of {len(mine)}**"


def experiments(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
    """Every experiment that did not come out right, with what it gave."""
    titles = {row.number: row.title for row in rows}
    lines = [
        [str(one.row), titles[one.row], one.tool, one.got, one.expected, f"{one.executed} of {one.minimum}", one.note]
        for one in verdicts
        if one.word in {"stale", "error"}
    ]
    head = ["row", "what changes", "tool", "it answered", "plain Python answered", "steps run", "note"]
    return table(head, [[cell.replace("|", "/") for cell in line] for line in lines], left=7)


def crashes(found: Sequence[Crash]) -> str:
    head = ["tool", "kills", "ended steps run again", "wrong answers", "restarts that never end", "note"]
    lines = [[one.tool, *map(str, (one.kills, one.repeated, one.wrong, one.stuck)), one.note] for one in found]
    return table(head, lines)


def pairs(found: Sequence[Pair]) -> str:
    head = ["tool", "steps run (best: 20)", "processes that failed", "answer", "note"]
    lines = [
        [one.tool, str(one.executed), str(one.failed), "right" if one.right else "**wrong**", one.note] for one in found
    ]
    return table(head, lines)


def data(found: Sequence[Operation]) -> str:
    parts = []
    for what in dict.fromkeys(one.data for one in found):
        mine = [one for one in found if one.data == what]
        tools = list(dict.fromkeys(one.tool for one in mine))
        by: Mapping[tuple[str, str], Operation] = {(one.tool, one.name): one for one in mine}
        names = list(dict.fromkeys(one.name for one in mine))
        lines = [[name, *(_operation(by.get((tool, name))) for tool in tools)] for name in names]
        parts.append(f"\n#### {what}\n\n" + table(["", *tools], lines))
    return "".join(parts)


def _operation(one: Operation | None) -> str:
    if one is None or not one.wall:
        return one.note if one else ""
    wall, cpu = statistics.median(one.wall), statistics.median(one.cpu)
    return f"{seconds(wall)} s (min {seconds(min(one.wall))}, CPU {seconds(cpu)})"
