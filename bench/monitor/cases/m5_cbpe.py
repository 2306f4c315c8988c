"""M5: quality without labels, by detent and by NannyML: the same numbers, and how long they take."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from environments import run_peer, version
from result import Result

from detent.statistics import cbpe, cbpe_classes
from detent.statistics.calibrator import isotonic
from detent.statistics.granules import count
from detent.statistics.layout import OUTPUT, layout_of
from detent.statistics.reference import Calibrator

SIZES = ((10_000, 1), (100_000, 10), (990_000, 30))  # rows of a window, chunks
RUNS = 3
SERVED, FINE = 240, 6_000  # bins of the score: those of production, and enough for eight digits of roc_auc
CLASSES = 5
OF_CLASSES = ("accuracy", "f1_macro", "precision_macro", "recall_macro")
AS_IT_IS = Calibrator(x=(0.0, 1.0), y=(0.0, 1.0), sd=(0.0, 0.0))


def run(cache: Path, *, quick: bool) -> Result:
    """Estimate metrics of each chunk; `quick` takes the smallest size."""
    rows, sizes = [], SIZES[:1] if quick else SIZES
    for size, chunks in sizes:
        reference, window = draws(0, size), draws(1, size)
        folder = cache / "m5"
        folder.mkdir(parents=True, exist_ok=True)
        runs = 1 if size > 100_000 else RUNS
        np.savez(
            folder / "cbpe.npz", reference_y=reference[0], reference_p=reference[1], window_y=window[0],
            window_p=window[1], chunks=chunks, runs=runs,
        )  # fmt: skip
        told = json.loads(run_peer(cache, "nannyml", "cbpe.py", str(folder)).splitlines()[-1])
        fit, estimate = (float(np.median(column)) for column in zip(*(_timed(reference, window, chunks) for _ in
                         range(RUNS)), strict=True))  # fmt: skip
        theirs = float(np.median(told["seconds"]))
        apart = {metric: _apart(metric, window[1], told["values"][metric], SERVED) for metric in cbpe.METRICS}
        fine = _apart("roc_auc", window[1], told["values"]["roc_auc"], FINE)
        rows.append(
            (
                f"{size:,} in {chunks}", f"{fit:.3f} s", f"{estimate:.3f} s", f"{theirs:.2f} s",
                f"{theirs / (fit + estimate):.0f}",
                f"{max(gap for metric, gap in apart.items() if metric != 'roc_auc'):.0e}", f"{apart['roc_auc']:.0e}",
                f"{fine:.0e}",
            )
        )  # fmt: skip
    rows += [_of_classes(cache, size, chunks) for size, chunks in sizes]
    heads = (
        "rows in chunks", "detent: fit", "detent: each chunk", f"NannyML {version(cache, 'nannyml')}",
        "times as long", "f1 and others differ by", "roc_auc by", f"roc_auc with {FINE:,} bins by",
    )  # fmt: skip
    notes = (
        "The reference has as many rows. CPU seconds of one core; detent's include counting, which serving does.",
        "Two classes: 5 metrics; values are compared without a calibrator, for each tool fits its own.",
        f"{CLASSES} classes: 4 metrics, each class against the rest; each tool with the curves that it fits. Ours "
        "takes the time of what intervals need, too (each fit without each tenth of the rows), and of other metrics.",
        "f1 and others differ by what counting rounds: sums of scores are integers in steps of 2^-32, so that they add "
        "up to the same bytes in any order, and the mean of n scores is off by about 7e-11 / sqrt(n).",
        f"roc_auc from counts does not know the order of scores inside a bin; {SERVED} bins are what serving counts.",
    )
    return Result(title="M5: quality without labels", columns=heads, rows=tuple(rows), notes=notes)


def _of_classes(cache: Path, size: int, chunks: int) -> tuple[str, ...]:
    """Return the line of several classes."""
    (y, known), (_, window) = several(0, size), several(1, size)
    folder, runs = cache / "m5", 1 if size > 100_000 else RUNS
    np.savez(
        folder / "cbpe_classes.npz", reference_y=y, reference_p=known, window_p=window, chunks=chunks, runs=runs
    )  # fmt: skip
    told = json.loads(run_peer(cache, "nannyml", "cbpe_classes.py", str(folder)).splitlines()[-1])
    seconds, values = [], {metric: list[float]() for metric in OF_CLASSES}
    for number in range(runs):
        began = time.process_time()
        chances = cbpe_classes.fit_chances(y.astype(np.float64), known)
        assert chances is not None
        middle = time.process_time()
        for part in np.array_split(window, chunks):
            found = cbpe_classes.add_up(part, chances)
            for metric in OF_CLASSES if number == 0 else ():
                values[metric].append(float(found.values(metric)[0]))
        seconds.append((middle - began, time.process_time() - middle))
    fit, estimate = (float(np.median(column)) for column in zip(*seconds, strict=True))
    theirs = float(np.median(told["seconds"]))
    apart = max(float(np.abs(np.subtract(values[metric], told["values"][metric])).max()) for metric in OF_CLASSES)
    return (
        f"{size:,} in {chunks}, {CLASSES} classes", f"{fit:.3f} s", f"{estimate:.3f} s", f"{theirs:.2f} s",
        f"{theirs / (fit + estimate):.1f}", f"{apart:.0e}", "", "",
    )  # fmt: skip


def several(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of an overconfident model; the second half of a window is harder."""
    rng = np.random.default_rng([6, seed])
    spread = np.where(np.arange(rows) < rows / 2, 2.0, 1.2)[:, None] if seed else 2.0
    pull = np.linspace(1.0, -1.0, CLASSES) + spread * rng.normal(size=(rows, CLASSES))
    chance, score = (np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in (pull, 1.6 * pull))
    truth = (rng.random((rows, 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(max=CLASSES - 1)
    return truth, score


def draws(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores of a calibrated model; the second half of a window is harder."""
    rng = np.random.default_rng([5, seed])
    spread = np.where(np.arange(rows) < rows / 2, 1.2, 0.8) if seed else 1.2
    score = 1.0 / (1.0 + np.exp(-spread * rng.normal(0.4, 1.1, rows)))
    return (rng.random(rows) < score).astype(np.int64), score


def _timed(reference: tuple, window: tuple, chunks: int) -> tuple[float, float]:
    """Return seconds of making the reference, and of counting and estimating the window."""
    began = time.process_time()
    fitted = isotonic(reference[1], reference[0])
    layout = layout_of({OUTPUT: reference[1]}, [], breakpoints=fitted.x)
    count(layout, {}, reference[1])
    middle = time.process_time()
    for part in np.array_split(window[1], chunks):
        promise = cbpe.cbpe(layout, count(layout, {}, part), fitted)
        for metric in cbpe.METRICS:
            promise.value(metric)
    return middle - began, time.process_time() - middle


def _apart(metric: str, score: np.ndarray, theirs: list[float], bins: int) -> float:
    """Return the largest difference over chunks, both without a calibrator."""
    layout = layout_of({OUTPUT: score}, [], breakpoints=(0.0, 1.0), fine=bins)
    parts = np.array_split(score, len(theirs))
    ours = [float(cbpe.cbpe(layout, count(layout, {}, part), AS_IT_IS).value(metric)) for part in parts]
    return max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
