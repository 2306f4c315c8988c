"""What the monitor knows, as gauges for Prometheus: a file that the serving processes add to their own metrics.

Statistics are computed here and states are exported, so rules in Prometheus only route: see monitor/prometheus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from detent.loop.alerts.stale import last_window_end
from detent.loop.champion import champion_version
from detent.loop.watching.window_facts import LOST, SERVING, TRAINING, facts
from detent.loop.workspace import Workspace
from detent.monitor import outbox, store
from detent.monitor.episodes import KINDS, UNJUDGED, kind_of
from detent.predictions import parcels
from detent.predictions.parcels_aside import parcels_aside
from detent.records.finding import SEVERITIES, Finding
from detent.serving import hosts
from detent.serving.places import gauges
from detent.store.atomic import write_atomic
from detent.store.clock import iso, parse

COLUMNS = 20  # with the largest effects; each is a time series, and those cost memory
BACK = 40  # windows in which the newest quality is looked for; labels come late


class _Families:
    """A collector over metrics that are made on the spot."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._families


def write_gauges(ws: Workspace) -> bytes:
    """Write the gauges to the state folder if they changed, and return them."""
    text = render(ws)
    path = gauges(ws.state)
    if not path.is_file() or path.read_bytes() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    return text


def render(ws: Workspace) -> bytes:
    """Return the gauges in Prometheus' text format."""
    end = last_window_end(ws)
    families = [_alerts(ws), _undelivered(ws), *_other_hosts(ws)]
    if end is not None:
        since = end - BACK * ws.project.monitor.window
        found = store.findings(ws.db, ws.project.serving.endpoint, since=since)
        families += [
            *_times(ws, end),
            _drift(ws, found, iso(end)),
            _quality(ws, found),
            _coverage(ws, found),
            *_facts(ws),
        ]
    return generate_latest(_Families(families))  # type: ignore[arg-type]


def _version(ws: Workspace, of: Finding | None = None) -> str:
    champion = champion_version(ws)
    if of is not None and of.version is not None:
        return str(of.version)
    return "" if champion is None else str(champion.number)


def _alerts(ws: Workspace) -> Metric:
    state = GaugeMetricFamily(
        "detent_alert_state",
        "Worst open episode of a kind: 0 none, 2 WARNING, 3 CRITICAL.",
        labels=("model", "version", "kind"),
    )
    opened = store.open_episodes(ws.db, ws.project.serving.endpoint)
    for kind in KINDS:
        worst = [SEVERITIES.index(episode.severity) + 1 for episode in opened if kind_of(episode.key) == kind]
        state.add_metric((ws.model, _version(ws), kind), max(worst, default=0))
    return state


def _undelivered(ws: Workspace) -> Metric:
    waiting = GaugeMetricFamily("detent_alerts_waiting", "Alerts that are not delivered yet.", labels=("model",))
    waiting.add_metric((ws.model,), len(outbox.pending(ws.db)))
    return waiting


def _other_hosts(ws: Workspace) -> list[Metric]:
    """Return how far the answers of other hosts are here; nothing where there is only this one."""
    if not ws.shared:
        return []
    labels = ("model", "host", "name")
    heard = GaugeMetricFamily(
        "detent_host_answers_timestamp_seconds", "Moment up to which the answers of a host are here.", labels=labels
    )
    waiting = GaugeMetricFamily(
        "detent_host_parcels_waiting", "Parcels that a host has sent and that are not taken yet.", labels=labels
    )
    aside = GaugeMetricFamily(
        "detent_host_parcels_aside", "Parcels of a host that could not be taken and are set aside.", labels=labels
    )
    own = hosts.own_id(ws.state)
    until = parcels.heard(ws.db, own)
    sent = Counter(one.host for one in parcels.waiting_for(ws.db, own))
    refused = Counter(one.parcel.host for one in parcels_aside(ws.db, own))
    for host in hosts.hosts(ws.db, ws.project.serving.endpoint):
        if host.host == own or (host.state == hosts.GONE and not refused[host.host]):
            continue
        which = (ws.model, str(host.number), host.name)
        if host.host in until:
            heard.add_metric(which, parse(until[host.host]).timestamp())
        waiting.add_metric(which, sent[host.host])
        aside.add_metric(which, refused[host.host])
    return [heard, waiting, aside]


def _times(ws: Workspace, end: datetime) -> list[Metric]:
    last = GaugeMetricFamily(
        "detent_monitor_last_window_timestamp_seconds",
        "End of the newest window that was judged.",
        labels=("model", "version"),
    )
    last.add_metric((ws.model, _version(ws)), end.timestamp())
    length = GaugeMetricFamily("detent_monitor_window_seconds", "Length of a window.", labels=("model",))
    length.add_metric((ws.model,), ws.project.monitor.window.total_seconds())
    return [last, length]


def _facts(ws: Workspace) -> list[Metric]:
    """Return what was worked out when the newest window ended; nothing before the first."""
    known = facts(ws)
    if not known:
        return []
    lost = CounterMetricFamily(
        "detent_granules_lost", "Hours that serving processes did not count as a whole.", labels=("model",)
    )
    lost.add_metric((ws.model,), known[LOST])
    text = f"Money in {ws.project.prices.currency}: serving in the newest window, training in the last 30 days."
    money = GaugeMetricFamily("detent_cost", text, labels=("model", "what"))
    for what in (SERVING, TRAINING):
        money.add_metric((ws.model, what), known[what])
    return [lost, money]


def _drift(ws: Workspace, found: Sequence[Finding], end: str) -> Metric:
    """Return what moved in the window that ends at `end`; what has come back is not shown any more."""
    effect = GaugeMetricFamily(
        "detent_drift_effect", "How far a column moved in the newest window.", labels=("model", "column", "statistic")
    )
    newest = [f for f in found if f.kind == "drift" and f.window_end == end and f.slice is None and f.scale == 1]
    last = {(f.column or "", f.statistic): f for f in newest if f.column is not None}
    for finding in sorted(last.values(), key=lambda f: (-f.value, f.column))[:COLUMNS]:
        effect.add_metric((ws.model, finding.column or "", finding.statistic), finding.value)
    return effect


def _quality(ws: Workspace, found: Sequence[Finding]) -> Metric:
    quality = GaugeMetricFamily(
        "detent_quality", "Quality in the newest window with labels.", labels=("model", "version", "metric", "bound")
    )
    measured = [f for f in found if f.kind == "quality" and f.statistic not in UNJUDGED and f.slice is None]
    for metric in sorted({finding.statistic for finding in measured}):
        finding = [f for f in measured if f.statistic == metric][-1]
        for bound, value in (("value", finding.value), ("low", finding.low), ("high", finding.high)):
            if value is not None:
                quality.add_metric((ws.model, _version(ws, finding), metric, bound), value)
    return quality


def _coverage(ws: Workspace, found: Sequence[Finding]) -> Metric:
    coverage = GaugeMetricFamily(
        "detent_label_coverage", "Share of answers whose label is known.", labels=("model", "version")
    )
    known = [finding for finding in found if finding.kind == "labels" and finding.statistic == "coverage"]
    if known:
        coverage.add_metric((ws.model, _version(ws, known[-1])), known[-1].value)
    return coverage
