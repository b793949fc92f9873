"""What a running server's /metrics says at present, a row for each series."""

import math
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TIMEOUT_S = 10.0
MOST_BYTES = 2**24
_OWN_WAY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class MetricsError(RuntimeError):
    """There are no metrics where they were looked for."""


class Row(NamedTuple):
    name: str
    labels: str
    value: str


def read_metrics(url: str) -> list[Row]:
    """url may leave /metrics out; MetricsError where nothing for Prometheus answers there."""
    place = url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/metrics"
    try:
        with _OWN_WAY.open(place, timeout=TIMEOUT_S) as answer:
            text = answer.read(MOST_BYTES).decode()
        return [row for family in text_string_to_metric_families(text) for row in _rows(family)]
    except urllib.error.HTTPError as error:
        raise _none_there(place, f"HTTP {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no URL, or another text
        found = str(getattr(error, "reason", error)) or "another text"
        raise _none_there(place, found) from None


def _none_there(place: str, found: str) -> MetricsError:
    return MetricsError(
        f"expected metrics for Prometheus at {place}, found {found}: name the address of a running "
        "server, such as http://127.0.0.1:8010; `study metrics` shows where each contender has "
        "them."
    )


def _rows(family: Metric) -> Iterator[Row]:
    if family.type == "histogram":
        yield from _histograms(family)
        return
    for sample in family.samples:
        yield Row(sample.name, _labels(sample.labels), f"{sample.value:g}")


def _histograms(family: Metric) -> Iterator[Row]:
    by_labels: dict[str, list[Sample]] = defaultdict(list)
    for sample in family.samples:
        others = {name: value for name, value in sample.labels.items() if name != "le"}
        by_labels[_labels(others)].append(sample)
    for labels, samples in by_labels.items():
        yield Row(family.name, labels, _summary(family.name, samples))


def _summary(name: str, samples: Iterable[Sample]) -> str:
    """Count, mean and the bound below which 99 % are: no more is known of a histogram."""
    reached: dict[float, float] = {}
    total = 0.0
    for sample in samples:
        if sample.name == f"{name}_bucket":
            reached[float(sample.labels["le"])] = sample.value
        elif sample.name == f"{name}_sum":
            total = sample.value
    count = reached.get(math.inf, 0.0)
    if not count:
        return "0"
    bound = min(bound for bound, below in reached.items() if below >= 0.99 * count)
    tail = f"99 % at most {bound:g}" if bound < math.inf else "99 % beyond the last bucket"
    return f"{count:g}, mean {total / count:.3g}, {tail}"


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
