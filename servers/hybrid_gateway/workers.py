"""Several processes behind one port; uvicorn starts them, and again those that die."""

import multiprocessing
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from servers.contract import ServerCounters
from servers.http_service import Counters
from servers.hybrid_gateway.app import create_app
from servers.hybrid_gateway.gateway import GatewaySettings

_SPAWN = multiprocessing.get_context("spawn")


def serve_in_workers(settings: GatewaySettings, options: dict[str, Any], work_dir: Path) -> None:
    """Until SIGTERM or SIGINT. The counters of /stats are those of all workers together."""
    if settings.features.metrics:
        from servers.hybrid_gateway.metrics import SHARED_FOLDER_VARIABLE

        folder = work_dir / "metrics"
        folder.mkdir(exist_ok=True)
        # prometheus_client looks for it when it is imported: in the workers, from now on.
        os.environ[SHARED_FOLDER_VARIABLE] = str(folder)
    # uvicorn starts its processes by spawn as well: memory and lock go along.
    totals, lock = _SPAWN.RawArray("q", len(ServerCounters.model_fields)), _SPAWN.Lock()
    config = uvicorn.Config(
        partial(worker_app, settings, totals, lock),
        factory=True,
        workers=settings.features.workers,
        **options,
    )
    processes = Multiprocess(config, [config.bind_socket()])
    processes.run()
    if any(process.exitcode == STARTUP_FAILURE for process in processes.processes):
        sys.exit(STARTUP_FAILURE)


def worker_app(settings: GatewaySettings, totals: Any, lock: Any) -> Any:
    return create_app(settings, Counters(totals, lock))
