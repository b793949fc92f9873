"""Several processes behind one port; uvicorn starts them, and again those that die."""

import multiprocessing
import sys
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from servers.http_service import Counters
from servers.hybrid_gateway.app import create_app
from servers.hybrid_gateway.gateway import GatewaySettings

_SPAWN = multiprocessing.get_context("spawn")


def serve_in_workers(settings: GatewaySettings, options: dict[str, Any]) -> None:
    """Until SIGTERM or SIGINT. Counters and metrics are those of all workers together."""
    # uvicorn starts its processes by spawn as well: memory and locks go along.
    config = uvicorn.Config(
        partial(create_app, settings, Counters.shared(_SPAWN)),
        factory=True,
        workers=settings.features.workers,
        **options,
    )
    processes = Multiprocess(config, [config.bind_socket()])
    processes.run()
    if any(process.exitcode == STARTUP_FAILURE for process in processes.processes):
        sys.exit(STARTUP_FAILURE)
