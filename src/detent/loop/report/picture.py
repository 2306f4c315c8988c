"""One picture of the year: quality, drift, traffic, events."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib import dates
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from detent.loop.report.compare import ALWAYS, LIVE, NEVER, Comparison
from detent.loop.report.story import LANES, Story

mpl.use("Agg")

INK, GRID = "#22272e", "#e3e6ea"
POLICY = {
    LIVE: ("#0b6e4f", "live (gated)", 2.6),
    NEVER: ("#9aa1ab", "never retrained", 1.6),
    ALWAYS: ("#d98e04", "always promoted", 1.6),
}
SEVERITY = {"INFO": "#9aa1ab", "WARNING": "#d98e04", "CRITICAL": "#c0392b"}
TONES = ("#cfe3da", "#9cc7b4", "#b9d3e6")  # neighbours differ
HELD, LABELLED = 0.6, 0.02  # a version is labelled where it held most of the traffic, for this share of the days
LANE = {
    "promoted": ("#0b6e4f", "^"),
    "refused by the gate": ("#c0392b", "x"),
    "rolled back": ("#c0392b", "v"),
    "retraining asked for": ("#3b6ea8", "o"),
    "sabotage shipped": ("#7d3c98", "*"),
    "alert": ("#d98e04", "s"),
}


def draw(
    path: Path, *, comparison: Comparison, story: Story, traffic: pl.DataFrame, start: datetime, until: datetime
) -> None:
    """Write the picture as PNG. `traffic` has day (Date), version (Int64), rows, and bad (Boolean: a sabotage)."""
    with mpl.rc_context({"font.size": 9.5, "axes.edgecolor": GRID, "text.color": INK, "axes.labelcolor": INK}):
        figure, axes = plt.subplots(
            4, 1, figsize=(12, 10), sharex=True, gridspec_kw={"height_ratios": [3.2, 1.5, 1.3, 1.9], "hspace": 0.3}
        )
        _quality(axes[0], comparison, story)
        _drift(axes[1], story)
        _traffic(axes[2], traffic)
        _events(axes[3], story)
        for axis in axes:
            axis.grid(axis="x", color=GRID, linewidth=0.8)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(color=GRID, labelcolor=INK)
        axes[3].set_xlim(float(dates.date2num(start)) - 2, float(dates.date2num(until)) + 3)
        axes[3].xaxis.set_major_locator(dates.AutoDateLocator())
        axes[3].xaxis.set_major_formatter(dates.ConciseDateFormatter(dates.AutoDateLocator()))
        figure.savefig(path, dpi=130, bbox_inches="tight", facecolor="white")
        plt.close(figure)


def _quality(axis: Axes, comparison: Comparison, story: Story) -> None:
    months = comparison.months
    middle = [datetime.strptime(f"{month}-15", "%Y-%m-%d") for month in months["month"]]
    for policy in (NEVER, ALWAYS, LIVE):
        colour, label, width = POLICY[policy]
        values = [float("nan") if value is None else value for value in months[policy]]
        mean = comparison.mean[policy]
        axis.plot(
            dates.date2num(middle),
            values,
            color=colour,
            linewidth=width,
            marker="o",
            markersize=4,
            label=f"{label} · mean {mean:.3f}",
        )
    for line in story.lines:
        if line.kind == "rollout.promoted":
            axis.axvline(float(dates.date2num(line.time)), color="#0b6e4f", alpha=0.25, linewidth=1)
    axis.set_title(f"{comparison.metric} per month", loc="left", fontsize=10.5)
    axis.grid(axis="y", color=GRID, linewidth=0.8)
    axis.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=9)


def _drift(axis: Axes, story: Story) -> None:
    axis.set_title("drift: largest PSI of a window, corrected for its size", loc="left", fontsize=10.5)
    for severity, colour in SEVERITY.items():
        some = [(end, effect) for end, effect, worst in story.windows if worst == severity]
        if some:
            axis.vlines(
                dates.date2num([end for end, _ in some]),
                0,
                [effect for _, effect in some],
                color=colour,
                linewidth=3,
                label=severity,
            )
    axis.axhline(0.1, color=INK, linewidth=0.7, linestyle=":")
    axis.set_ylim(bottom=0)
    if story.windows:
        axis.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.98), fontsize=8.5)


def _traffic(axis: Axes, traffic: pl.DataFrame) -> None:
    axis.set_title("traffic by version (share of answers per day); a sabotage is red", loc="left", fontsize=10.5)
    table = traffic.pivot(on="version", index="day", values="rows", aggregate_function="sum").sort("day").fill_null(0)
    versions = sorted((name for name in table.columns if name != "day"), key=int)
    bad = {str(number) for number in traffic.filter(pl.col("bad"))["version"].unique()}
    total = table.select(pl.sum_horizontal(versions)).to_series()
    shares = [(table[name] / total).to_list() for name in versions]
    tones = itertools.cycle(TONES)
    colours = ["#c0392b" if name in bad else next(tones) for name in versions]
    days = dates.date2num(table["day"].to_list())
    axis.stackplot(days, shares, colors=colours, step="mid", linewidth=0)
    for name, share in zip(versions, shares, strict=True):
        held = [day for day, part in zip(days, share, strict=True) if part > HELD]
        if len(held) > LABELLED * len(days):
            axis.text(sum(held) / len(held), 0.5, name, ha="center", va="center", fontsize=8, color=INK)
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])


def _events(axis: Axes, story: Story) -> None:
    axis.set_title("events in the ledger", loc="left", fontsize=10.5)
    names = list(LANES)
    for height, name in enumerate(reversed(names)):
        colour, marker = LANE[name]
        moments = [line.time for line in story.lines if line.kind in LANES[name]]
        axis.scatter(dates.date2num(moments), [height] * len(moments), color=colour, marker=marker, s=42, zorder=3)  # type: ignore[arg-type]
        axis.axhline(height, color=GRID, linewidth=0.8, zorder=1)
    axis.set_yticks(range(len(names)), list(reversed(names)))
    axis.set_ylim(-0.6, len(names) - 0.4)
