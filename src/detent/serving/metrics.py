"""What all workers counted, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from detent.serving.counters import BUCKETS, HTTP, NUMBERS, CountRow, read_numbers, read_rows

_ARM = ("endpoint", "version", "arm")
_ABOUT = {
    "log_failures": ("detent_log_failures", "Requests refused because the prediction log could not be written."),
    "shadow_dropped": ("detent_shadow_dropped", "Rows that a shadow version did not see or whose result was lost."),
    "loads": ("detent_version_loads", "Versions loaded after every check had passed."),
    "unauthorised": ("detent_unauthorised", "Requests without a valid API key."),
    "labels_accepted": ("detent_labels_accepted", "Labels stored for predictions that had none."),
    "labels_duplicate": ("detent_labels_duplicate", "Labels that were known already."),
    "labels_corrected": ("detent_labels_corrected", "Labels that replaced another value."),
    "labels_unknown": ("detent_labels_unknown", "Feedback refused because of an id that was never given out."),
}


class _Families:
    """A collector over metrics that are made on the spot."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._families


def exposition(folder: Path) -> bytes:
    """Return the metrics of all slots under a counter folder, summed over workers."""
    rows, numbers = read_rows(folder), read_numbers(folder)
    return generate_latest(_Families([*_arms(rows), *_requests(rows), *_workers(numbers)]))  # type: ignore[arg-type]


def _arms(rows: list[CountRow]) -> list[Metric]:
    predictions = CounterMetricFamily("detent_predictions", "Rows given to a version.", labels=_ARM)
    errors = CounterMetricFamily("detent_prediction_errors", "Rows a version failed on.", labels=_ARM)
    fallbacks = CounterMetricFamily(
        "detent_prediction_fallbacks",
        "Failed rows that the fallback answered, by the version that failed.",
        labels=_ARM,
    )
    seconds = HistogramMetricFamily("detent_model_seconds", "Time inside the model, per row.", labels=_ARM)
    for (endpoint, version, arm), total in _summed(row for row in rows if row.arm != HTTP).items():
        labels = (endpoint, str(version), arm)
        predictions.add_metric(labels, total.requests)
        errors.add_metric(labels, total.errors)
        fallbacks.add_metric(labels, total.fallbacks)
        seconds.add_metric(labels, _buckets(total.histogram), total.seconds)
    return [predictions, errors, fallbacks, seconds]


def _requests(rows: list[CountRow]) -> list[Metric]:
    requests = CounterMetricFamily("detent_requests", "HTTP requests.", labels=("endpoint", "status"))
    seconds = HistogramMetricFamily("detent_request_seconds", "Time of a request in the worker.", labels=("endpoint",))
    for (endpoint, _, _), total in _summed(row for row in rows if row.arm == HTTP).items():
        requests.add_metric((endpoint, "2xx"), total.requests - total.errors - total.fallbacks)
        requests.add_metric((endpoint, "4xx"), total.fallbacks)
        requests.add_metric((endpoint, "5xx"), total.errors)
        seconds.add_metric((endpoint,), _buckets(total.histogram), total.seconds)
    return [requests, seconds]


def _workers(numbers: Mapping[int, Mapping[str, int]]) -> list[Metric]:
    families: list[Metric] = []
    for name, (metric, text) in _ABOUT.items():
        families.append(CounterMetricFamily(metric, text, value=sum(slot[name] for slot in numbers.values())))
    for name in NUMBERS:
        if name not in _ABOUT:
            gauge = GaugeMetricFamily(
                f"detent_worker_{name}", f"{name.replace('_', ' ')}, per worker.", labels=("worker",)
            )
            for slot, values in numbers.items():
                gauge.add_metric((str(slot),), values[name])
            families.append(gauge)
    return families


def _summed(rows: Iterable[CountRow]) -> dict[tuple[str, int, str], CountRow]:
    sums: dict[tuple[str, int, str], CountRow] = {}
    for row in rows:
        key = (row.endpoint, row.version, row.arm)
        before = sums.get(key)
        sums[key] = row if before is None else _plus(before, row)
    return dict(sorted(sums.items()))


def _plus(one: CountRow, other: CountRow) -> CountRow:
    return CountRow(
        endpoint=one.endpoint,
        version=one.version,
        arm=one.arm,
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        fallbacks=one.fallbacks + other.fallbacks,
        seconds=one.seconds + other.seconds,
        histogram=tuple(a + b for a, b in zip(one.histogram, other.histogram, strict=True)),
    )


def _buckets(histogram: tuple[int, ...]) -> list[tuple[str, float]]:
    """Return cumulative counts by upper bound in seconds; bucket b of the histogram ends at 2**b microseconds."""
    total, buckets = 0, []
    for number in range(BUCKETS - 1):
        total += histogram[number]
        buckets.append((repr(2**number / 1e6), float(total)))
    return [*buckets, ("+Inf", float(total + histogram[-1]))]
