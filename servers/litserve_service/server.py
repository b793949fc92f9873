"""Builds and runs LitServe: one HTTP process, one inference worker, queues between them."""

import multiprocessing
import os
import signal
import sys

import litserve as ls

from servers.http_limits import DRAIN_S
from servers.http_service import UVICORN_OPTIONS, Counters, add_health_and_stats, refuse_bad_input
from servers.launch_args import LaunchArgs, refuse_to_start
from servers.litserve_service.api import ModelSettings, StockApi

SPAWN = multiprocessing.get_context("spawn")
"""LitServe starts its worker by spawn: what it shares must come from the same context."""


def run_server(args: LaunchArgs, settings: ModelSettings) -> None:
    """Serves until SIGTERM or SIGINT; returns when every process of LitServe has ended."""
    counters = Counters.shared(SPAWN)
    server = build_server(args, settings, counters)
    _stop_on_signals()
    try:
        server.run(
            host=args.host,
            port=args.port,
            num_api_servers=1,
            generate_client_file=False,
            **UVICORN_OPTIONS,
        )
    except KeyboardInterrupt:
        pass  # LitServe handles it once it serves, but not while the model loads
    except RuntimeError as error:  # of a worker that did not start
        refuse_to_start(error)
    finally:
        for child in multiprocessing.active_children():
            child.kill()
    if getattr(server, "worker_died", False):
        sys.exit("expected LitServe's inference worker to run until SIGTERM, found it dead.")


def build_server(args: LaunchArgs, settings: ModelSettings, counters: Counters) -> ls.LitServer:
    batching = {
        "max_batch_size": int(args.options["max_batch_size"]),
        "batch_timeout": float(args.options["batch_timeout_ms"]) / 1000,
    }
    if args.options["patched"]:
        from servers.litserve_service.patched import build_patched

        server = build_patched(args, settings, counters, batching)
    else:
        # "cpu" is LitServe's word for one worker: the engine itself goes where its placement says.
        api = StockApi(settings, counters, **batching)
        server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
        add_health_and_stats(server.app, args.contender, counters)
    server.uvicorn_graceful_timeout = DRAIN_S
    server.app.title = "Text classifier, batched"
    server.app.summary = (
        f"LitServe with {settings.engine}: up to {batching['max_batch_size']:g} texts a pass."
    )
    refuse_bad_input(server.app)
    return server


def _stop_on_signals() -> None:
    """LitServe stops its processes on KeyboardInterrupt only; SIGTERM would orphan them."""
    main_pid = os.getpid()

    def interrupt(*_: object) -> None:
        if os.getpid() == main_pid:  # the HTTP process is forked, and inherits this handler
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
