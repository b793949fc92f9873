"""Counts what servers.metric_names lists, in one process or in several, and writes it down."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from servers.metric_names import (
    BATCH_SIZE,
    ERRORS,
    IN_FLIGHT,
    METRICS,
    OF_REQUESTS,
    QUEUE_DURATION,
    QUEUE_LENGTH,
    REQUEST_DURATION,
    Metric,
)

MEDIA_TYPE = "text/plain; version=0.0.4"


def _places() -> tuple[dict[tuple[Metric, tuple[str, ...]], int], int]:
    places, end = {}, 0
    for metric in METRICS:
        for labels in metric.series:
            places[metric, labels] = end
            end += metric.width
    return places, end


_PLACES, N_VALUES = _places()
_IN_FLIGHT_AT = _PLACES[IN_FLIGHT, ()]
_REQUESTS_AT = {labels: _PLACES[REQUEST_DURATION, labels] for labels in REQUEST_DURATION.series}


class Metrics:
    """All values are one flat list, so that several processes may share it as they share the
    totals of /stats: prometheus_client's own way takes a folder of files, of each process its own,
    which every scrape reads and a worker that died leaves behind.

    Give values (N_VALUES doubles) and lock from multiprocessing to count in several processes.
    """

    def __init__(
        self,
        values: MutableSequence[float] | None = None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._values: Any = [0.0] * N_VALUES if values is None else values
        self._lock = lock or threading.Lock()

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        with self._lock:
            self._values[_PLACES[metric, labels]] += amount

    def observe(self, metric: Metric, *seen: float) -> None:
        """Several values at once, of a histogram without labels."""
        with self._lock:
            for value in seen:
                self._observe(metric, _PLACES[metric, ()], value)

    def request_begins(self) -> None:
        with self._lock:
            self._values[_IN_FLIGHT_AT] += 1

    def request_ends(
        self, labels: tuple[str, str], duration_s: float, reason: str, was_in_flight: bool
    ) -> None:
        """labels: route and code; reason: why it was refused, empty where it was answered."""
        with self._lock:
            self._observe(REQUEST_DURATION, _REQUESTS_AT[labels], duration_s)
            if was_in_flight:
                self._values[_IN_FLIGHT_AT] -= 1
            if reason:
                self._values[_PLACES[ERRORS, (reason,)]] += 1

    def queued(self) -> None:
        self.add(QUEUE_LENGTH, 1)

    def unqueued(self, *since_s: float) -> None:
        """Requests that have waited since then (monotonic seconds) and wait no longer."""
        now_s = time.monotonic()
        self.add(QUEUE_LENGTH, -len(since_s))
        self.observe(QUEUE_DURATION, *(now_s - each_s for each_s in since_s))

    def forward_pass(self, n_texts: int) -> None:
        self.observe(BATCH_SIZE, n_texts)

    def value(self, metric: Metric, *labels: str) -> float:
        """Of a counter or gauge."""
        with self._lock:
            return float(self._values[_PLACES[metric, labels]])

    def text(self, contender: str, more: Sequence[Metric] = ()) -> bytes:
        """The exposition: requests, whatever else was ever counted, and more in any case."""
        with self._lock:
            values = self._values[:]
        at = _PLACES[QUEUE_DURATION, ()]
        # A gauge is 0 also where there is no queue at all.
        queue = (QUEUE_LENGTH,) if any(values[at : at + QUEUE_DURATION.width]) else ()
        registry = CollectorRegistry()
        registry.register(_Values(values, contender, (*OF_REQUESTS, *queue, *more)))
        return generate_latest(registry)

    def _observe(self, metric: Metric, place: int, value: float) -> None:
        self._values[place + bisect_left(metric.buckets, value)] += 1
        self._values[place + metric.width - 1] += value


class _Values(Collector):
    def __init__(self, values: Sequence[float], contender: str, always: Sequence[Metric]) -> None:
        self._values = values
        self._contender = contender
        self._always = always

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            family = self._family(metric)
            if family.samples:
                yield family

    def _family(self, metric: Metric) -> Family:
        # A counter that appears with its first error has no rate at that time: it is there at 0.
        zero = metric in self._always and metric.kind != "histogram"
        names = ["contender", *metric.labels]
        family: Family = _FAMILIES[metric.kind](metric.name, metric.text, labels=names)
        for labels in metric.series:
            place = _PLACES[metric, labels]
            series = self._values[place : place + metric.width]
            if zero or any(series):
                _add(family, metric, (self._contender, *labels), series)
        return family


_FAMILIES: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def _add(family: Any, metric: Metric, labels: Sequence[str], series: Sequence[float]) -> None:
    if metric.kind != "histogram":
        family.add_metric(labels, series[0])
        return
    *counts, total = series
    reached, buckets = 0.0, []
    for bound, count in zip((*metric.buckets, float("inf")), counts, strict=True):
        reached += count
        buckets.append((_bound(bound), reached))
    family.add_metric(labels, buckets, total)


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)
