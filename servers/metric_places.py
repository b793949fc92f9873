"""Where Prometheus finds the metrics of a contender, and which it has."""

from dataclasses import dataclass

from servers.discovery import Contender
from servers.metric_names import BATCH_SIZE, OF_GATEWAY, OF_QUEUE, OF_REQUESTS, Metric

PATH = "/metrics"
OF_TRITON = "nv_inference_*"


@dataclass(frozen=True)
class Place:
    """port "main" or the name of an extra port; Triton's names are its own."""

    port: str
    names: tuple[str, ...]


def metrics_of(contender: Contender) -> tuple[Metric, ...]:
    """Those of servers.metric_names that it has; none: it has no HTTP side of this study's."""
    own = contender.protocol == "http-json" and contender.wire is None
    if not own or contender.engine == "none" or contender.form == "external":
        return ()
    is_gateway = contender.main_process == "gateway"
    options = contender.options
    has_queue = options.get("handlers") == "tuned" or options.get("patched")
    has_queue = has_queue or options.get("max_at_triton")
    return (
        *OF_REQUESTS,
        *(OF_QUEUE if has_queue else ()),
        *(OF_GATEWAY if is_gateway else (BATCH_SIZE,)),
    )


def place_of(contender: Contender) -> Place | None:
    """None: it has no metrics."""
    if "metrics" in contender.extra_ports:
        return Place("metrics", (OF_TRITON,))
    names = tuple(metric.exposed for metric in metrics_of(contender))
    return Place("main", names) if names else None
