"""The metrics that are exported for Prometheus, declared in one place.

Names, units and label sets are a promise to whoever built a dashboard or an alert on
them: add to them, never change them. Values of labels come from short lists only
(connections, flows, kinds, classes): never an id of a record, a name or a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import choose_encoder

from . import histogram

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

FLOW = ("connection", "flow")
WORK = (*FLOW, "kind")
ENDPOINT = ("connection", "endpoint")


@dataclass(frozen=True, slots=True)
class Metric:
    """One exported metric; the name carries the unit."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    # What reached us
    Metric("q2c_events_total", COUNTER, "Deliveries in the event ledger.", ("connection", "origin", "verdict")),
    Metric("q2c_event_duplicates_total", COUNTER, "Repeated deliveries that were suppressed.", ("connection",)),
    Metric(
        "q2c_webhook_answers_total",
        COUNTER,
        "Notifications by the HTTP status that their webhook was answered with, repetitions included.",
        ("connection", "status"),
    ),
    Metric(
        "q2c_webhook_signature_failures_total",
        COUNTER,
        "Webhooks that were not signed, or whose signature does not match.",
        ("connection",),
    ),
    Metric(
        "q2c_event_gaps_total",
        COUNTER,
        "Changes that a poll found before, or without, any webhook.",
        ("connection",),
    ),
    Metric(
        "q2c_event_gaps_late_total",
        COUNTER,
        "Those of them that a webhook brought after all; the others were missed.",
        ("connection",),
    ),
    # What became of it
    Metric(
        "q2c_jobs_finished_total",
        COUNTER,
        "Jobs that ended: done, failed (handed to a person) or replaced (covered by a later one).",
        (*WORK, "result", "error_class"),
    ),
    Metric("q2c_records_processed_total", COUNTER, "Records in jobs that are done.", WORK),
    Metric("q2c_job_retries_total", COUNTER, "Attempts after the first, of jobs that ended.", WORK),
    Metric("q2c_job_crashes_total", COUNTER, "Times a worker died, of jobs that ended.", WORK),
    Metric(
        "q2c_jobs_coalesced_total",
        COUNTER,
        "Requests that a waiting job covered: duplicates suppressed before they became work.",
        WORK,
    ),
    Metric(
        "q2c_job_wait_seconds",
        HISTOGRAM,
        "From when a job was due to when it started last.",
        WORK,
    ),
    Metric("q2c_job_run_seconds", HISTOGRAM, "From when a job started last to its end.", WORK),
    Metric(
        "q2c_job_turnaround_seconds",
        HISTOGRAM,
        "From when a job was enqueued to its end, every attempt included; without polls.",
        WORK,
    ),
    # The present
    Metric(
        "q2c_jobs",
        GAUGE,
        "Jobs by state: waiting, scheduled (due later), retrying, running, failed.",
        (*WORK, "state", "error_class"),
    ),
    Metric(
        "q2c_jobs_oldest_waiting_seconds",
        GAUGE,
        "For how long the oldest job has been due that may run; 0 when none is.",
        FLOW,
    ),
    Metric(
        "q2c_exceptions_open",
        GAUGE,
        "Causes on the exception desk, by class and by how long they are known.",
        ("error_class", "age"),
    ),
    Metric("q2c_exceptions_overdue", GAUGE, "Causes on the exception desk past their deadline."),
    Metric(
        "q2c_connection_up",
        GAUGE,
        "1 when the connection works, 0 when it is paused or not connected.",
        ("connection", "provider", "environment"),
    ),
    Metric("q2c_flow_running", GAUGE, "1 when the flow is switched on and not paused.", FLOW),
    Metric("q2c_holds_active", GAUGE, "Holds in force: kill switch and maintenance windows.", ("scope",)),
    Metric(
        "q2c_breaker_state",
        GAUGE,
        "1 for the state in which a circuit breaker is: closed, half_open, open.",
        (*ENDPOINT, "state"),
    ),
    Metric("q2c_breaker_override", GAUGE, "1 when a person holds a circuit breaker open or closed.", ENDPOINT),
    Metric(
        "q2c_budget_remaining_calls",
        GAUGE,
        "Calls that the provider still allows, in its short window or on its day.",
        (*ENDPOINT, "window"),
    ),
    Metric(
        "q2c_budget_limit_calls",
        GAUGE,
        "Calls that the provider allows, in its short window or on its day.",
        (*ENDPOINT, "window"),
    ),
    # The machinery
    Metric("q2c_lanes", GAUGE, "Lanes by state: running, idle, off.", ("state",)),
    Metric("q2c_lane_running_jobs", GAUGE, "Jobs that a lane is at.", ("lane",)),
    Metric(
        "q2c_lane_last_run_timestamp_seconds",
        GAUGE,
        "When a lane gave its last sign of life, in seconds since 1970.",
        ("lane",),
    ),
    Metric(
        "q2c_rollup_pending_minutes",
        GAUGE,
        "Minutes that are counted on the fly because the roll-up has not come to them yet.",
    ),
)

#: {metric name: {values of its labels: number, or (histogram, sum of seconds)}}
Samples = Mapping[str, Mapping[tuple[str, ...], Any]]


class _Collector:
    """Hands the samples of one request to the registry of that request."""

    def __init__(self, samples: Samples):
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        """Give every metric, as the registry asks for it; one without samples has a head only."""
        for metric in METRICS:
            yield _family(metric, self._samples.get(metric.name, {}))


def _family(metric: Metric, values: Mapping[tuple[str, ...], Any]) -> Family:
    kinds = {
        COUNTER: CounterMetricFamily,
        GAUGE: GaugeMetricFamily,
        HISTOGRAM: HistogramMetricFamily,
    }
    family = kinds[metric.type](metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        if metric.type == HISTOGRAM:
            family.add_metric(labels, *_cumulative(*value))
        else:
            family.add_metric(labels, value)
    return family


def _cumulative(counts: list[int], seconds: float) -> tuple[list[tuple[str, int]], float]:
    pairs = histogram.cumulative(counts)
    return [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in pairs], seconds


def exposition(samples: Samples, accept: str = "") -> tuple[bytes, str]:
    """Return the samples as text for a scraper, and its content type.

    :param accept: the scraper's Accept header: Prometheus' text format, or OpenMetrics
        for whoever asks for it.
    :raises KeyError: for samples of a metric that is not declared.
    """
    unknown = set(samples) - {metric.name for metric in METRICS}
    if unknown:
        raise KeyError(f"undeclared metrics: {', '.join(sorted(unknown))}")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(samples))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def names() -> set[str]:
    """Return every series name that a query may use, those of histograms included."""
    found = set()
    for metric in METRICS:
        suffixes: Iterable[str] = ("_bucket", "_sum", "_count") if metric.type == HISTOGRAM else ("",)
        found.update(metric.name + suffix for suffix in suffixes)
    return found


def unique_names(rows: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Return `{id: name}` with names that no two ids share.

    Two series with the same labels would make a scraper refuse all of them.

    :param rows: `(id, name)`; a name that is not the first of its kind gets its id.
    """
    found: dict[int, str] = {}
    taken: set[str] = set()
    for key, name in sorted(rows):
        label = name if name and name not in taken else f"{name or ''}#{key}"
        taken.add(label)
        found[key] = label
    return found
