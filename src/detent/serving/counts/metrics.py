"""What all workers counted, in Prometheus' text format."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

import detent
from detent.serving.counts.counters import BREAKER, BUCKETS, HTTP, CountRow, read_numbers, read_rows

_ARM = ("endpoint", "version", "arm")
_ABOUT = {
    "log_failures": ("detent_log_failures", "Requests refused because the prediction log could not be written."),
    "log_dropped": ("detent_log_dropped", "Answered rows that are not in the log, because its room was full."),
    "log_left_out": ("detent_log_left_out", "Answered rows that the log's sampling left out."),
    "log_sync_failures": ("detent_log_sync_failures", "Syncs of the log to the disk that failed."),
    "shadow_dropped": ("detent_shadow_dropped", "Rows that a shadow version did not see or whose result was lost."),
    "loads": ("detent_version_loads", "Versions loaded after every check had passed."),
    "unauthorised": ("detent_unauthorised", "Requests without a valid API key."),
    "labels_accepted": ("detent_labels_accepted", "Labels stored for predictions that had none."),
    "labels_duplicate": ("detent_labels_duplicate", "Labels that were known already."),
    "labels_corrected": ("detent_labels_corrected", "Labels that replaced another value."),
    "limited": ("detent_limited", "Requests refused because their key was above one of its limits."),
    "shed": ("detent_shed", "Requests refused because the server had more to do than it can."),
    "labels_unknown": ("detent_labels_unknown", "Labels refused because of an id that was never given out."),
}
_GAUGES = {
    "starts": ("detent_worker_starts", "Processes that this slot has had, this one included."),
    "route_seq": ("detent_worker_route_seq", "Sequence number of the routes that the worker follows."),
    "routes_torn": (
        "detent_worker_routes_torn",
        "Reads of the route page that found a damaged table and kept the one before.",
    ),
    "versions_ready": ("detent_worker_versions_ready", "Versions that the worker holds ready."),
    "versions_refused": ("detent_worker_versions_refused", "Versions that the worker refused to load."),
    "shadow_pending": ("detent_worker_shadow_pending", "Rows that wait for a shadow version."),
    "in_flight": ("detent_worker_requests_in_flight", "Predict requests that are not answered yet."),
    "queued_rows": ("detent_worker_rows_queued", "Rows that wait for a version that is busy."),
    "log_bytes": ("detent_worker_log_bytes", "Bytes of the prediction log on the disk."),
    "log_level": ("detent_worker_log_level", "Room for the log: 0 fine, 1 nearly full, 2 full."),
}


class _Families:
    """A collector over metrics that are made on the spot."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._families


def exposition(folder: Path) -> bytes:
    """Return the metrics of all slots under a counter folder, summed over workers, and the monitor's gauges."""
    rows, numbers = read_rows(folder), read_numbers(folder)
    families = [*_arms(rows), *_requests(rows), *_breakers(rows), *_workers(numbers), _build()]
    return generate_latest(_Families(families)) + _gauges(folder)  # type: ignore[arg-type]


def _gauges(folder: Path) -> bytes:
    """Return what the controller and who follows the database wrote beside the counters; nothing where none runs."""
    found = b""
    for name in ("gauges.prom", "following.prom"):
        with suppress(OSError):
            found += folder.with_name(name).read_bytes()
    return found


def _arms(rows: list[CountRow]) -> list[Metric]:
    predictions = CounterMetricFamily("detent_predictions", "Rows given to a version.", labels=_ARM)
    errors = CounterMetricFamily("detent_prediction_errors", "Rows a version failed on.", labels=_ARM)
    fallbacks = CounterMetricFamily(
        "detent_prediction_fallbacks",
        "Failed rows that the fallback answered, by the version that failed.",
        labels=_ARM,
    )
    seconds = HistogramMetricFamily("detent_model_seconds", "Time inside the model, per row.", labels=_ARM)
    for (endpoint, version, arm), total in _summed(row for row in rows if row.arm not in (HTTP, BREAKER)).items():
        labels = (endpoint, str(version), arm)
        predictions.add_metric(labels, total.requests)
        errors.add_metric(labels, total.errors)
        fallbacks.add_metric(labels, total.fallbacks)
        seconds.add_metric(labels, _buckets(total.histogram), total.seconds)
    return [predictions, errors, fallbacks, seconds]


def _breakers(rows: list[CountRow]) -> list[Metric]:
    labels = ("model", "version")
    open_now = GaugeMetricFamily("detent_breaker_open", "Workers that do not call a version at present.", labels=labels)
    opened = CounterMetricFamily(
        "detent_breaker_opened", "Times that workers stopped calling a version.", labels=labels
    )
    for (model, version, _), total in _summed(row for row in rows if row.arm == BREAKER).items():
        open_now.add_metric((model, str(version)), total.errors)
        opened.add_metric((model, str(version)), total.requests)
    return [open_now, opened]


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
    for name, (metric, text) in _GAUGES.items():
        gauge = GaugeMetricFamily(metric, text, labels=("worker",))
        for slot, values in numbers.items():
            gauge.add_metric((str(slot),), values[name])
        families.append(gauge)
    return families


def _build() -> Metric:
    info = GaugeMetricFamily("detent_build_info", "Always 1; the labels say what runs.", labels=("version", "python"))
    info.add_metric((detent.__version__, platform.python_version()), 1)
    return info


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
