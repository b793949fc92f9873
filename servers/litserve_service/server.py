"""Builds and runs LitServe: one HTTP process, one inference worker, pipes between them."""

import multiprocessing
import os
import signal
import sys
from typing import Any

import litserve as ls
from litserve.transport.process_transport import MPQueueTransport
from litserve.utils import WorkerSetupStatus

from servers.contract import ServerCounters
from servers.http_service import UVICORN_OPTIONS, Counters, add_health_and_stats, refuse_bad_input
from servers.launch_args import LaunchArgs
from servers.litserve_service.api import BatchingClassifier, ModelSettings

GRACEFUL_STOP_S = 5
POLL_S = 0.05

# LitServe starts its worker by spawn: what it shares must come from the same context.
_SPAWN = multiprocessing.get_context("spawn")


class PipedLitServer(ls.LitServer):  # type: ignore[misc]  # LitServe ships no types
    """LitServe with pipes for its request and response queues.

    Its own are objects of a manager process: each put and get is a remote call, four of them a
    request. Its remedy, fast_queue=True, does nothing in 0.2.19 (it sets a field by a wrong name).
    """

    def _init_manager(self, num_api_servers: int) -> Any:
        manager = super()._init_manager(num_api_servers)
        for api_path in self.litapi_request_queues:
            self.litapi_request_queues[api_path] = _SPAWN.Queue()
        self._transport = MPQueueTransport(
            manager, [_SPAWN.Queue() for _ in range(num_api_servers)]
        )
        return manager

    def verify_worker_status(self) -> None:
        """Waits until the worker has loaded its model; ends this process as the worker ended.

        LitServe's own looks only at what workers write, and waits for ever for one that has ended.
        """
        (worker,) = self.inference_workers
        while WorkerSetupStatus.STARTING in self.workers_setup_status.values():
            worker.join(POLL_S)
            if worker.exitcode:
                sys.exit(worker.exitcode)  # the worker has said why
        super().verify_worker_status()


def run_server(args: LaunchArgs, settings: ModelSettings) -> None:
    """Serves until SIGTERM or SIGINT; returns when every process of LitServe has ended."""
    counters = Counters(_SPAWN.RawArray("q", len(ServerCounters.model_fields)), _SPAWN.Lock())
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
    except EOFError:  # LitServe takes its manager down with a worker that died
        sys.exit("expected LitServe's inference worker to run until SIGTERM, found it dead.")
    except KeyboardInterrupt:  # LitServe handles it once it serves, but not while the model loads
        for child in multiprocessing.active_children():
            child.terminate()


def build_server(args: LaunchArgs, settings: ModelSettings, counters: Counters) -> ls.LitServer:
    api = BatchingClassifier(
        settings,
        counters,
        max_batch_size=int(args.options["max_batch_size"]),
        batch_timeout_s=float(args.options["batch_timeout_ms"]) / 1000,
    )
    # "cpu" is LitServe's word for one worker: the engine itself goes where its placement says.
    server = PipedLitServer(api, accelerator="cpu", workers_per_device=1, timeout=False)
    server.uvicorn_graceful_timeout = GRACEFUL_STOP_S
    # LitServe compresses long answers; no other contender does.
    server.app.user_middleware.clear()
    server.app.title = "Text classifier, batched"
    server.app.summary = (
        f"LitServe with {settings.engine}: up to {api.max_batch_size} texts a pass."
    )
    add_health_and_stats(server.app, counters)
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
