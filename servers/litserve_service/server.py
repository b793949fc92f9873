"""Builds and runs LitServe: one HTTP process, one inference worker, pipes between them."""

import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess

import litserve as ls
from fastapi import FastAPI
from litserve.transport.process_transport import MPQueueTransport
from litserve.utils import WorkerSetupStatus

from servers.contract import ServerCounters
from servers.http_limits import DRAIN_S
from servers.http_service import UVICORN_OPTIONS, Counters, add_health_and_stats, refuse_bad_input
from servers.launch_args import LaunchArgs
from servers.litserve_service.api import BatchingClassifier, ModelSettings, end_with_main_process

POLL_S = 0.05

# LitServe starts its worker by spawn: what it shares must come from the same context.
_SPAWN = multiprocessing.get_context("spawn")
_OWN_PATHS = ("/", "/health", "/info")
_STATUSES = (
    WorkerSetupStatus.STARTING,
    WorkerSetupStatus.READY,
    WorkerSetupStatus.ERROR,
    WorkerSetupStatus.FINISHED,
)


class SetupStatus:
    """LitServe's workers_setup_status for its one worker, in shared memory."""

    def __init__(self) -> None:
        self._index = _SPAWN.RawValue("i", 0)

    def __setitem__(self, worker: str, status: str) -> None:
        self._index.value = _STATUSES.index(status)

    def values(self) -> list[str]:
        return [_STATUSES[self._index.value]]


class PipedLitServer(ls.LitServer):  # type: ignore[misc]  # LitServe ships no types
    """LitServe with pipes for its request and response queues.

    Its own are objects of a manager process: each put and get is a remote call, four of them a
    request. Its remedy, fast_queue=True, does nothing in 0.2.19 (it sets a field by a wrong name).
    There is no manager here: its socket has no place in a TMPDIR of 76 characters.
    """

    worker_died = False

    def _init_manager(self, num_api_servers: int) -> None:
        self.workers_setup_status = SetupStatus()
        self._shutdown_event = _SPAWN.Event()
        for lit_api in self.litapi_connector:
            self.litapi_request_queues[lit_api.api_path] = _SPAWN.Queue()
        self._transport = MPQueueTransport(None, [_SPAWN.Queue() for _ in range(num_api_servers)])

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        end_with_main_process()
        async with super().lifespan(app):
            yield

    def _perform_graceful_shutdown(
        self,
        manager: None,
        uvicorn_workers: Mapping[int, BaseProcess],
        shutdown_reason: str = "normal",
    ) -> None:
        if shutdown_reason not in ("normal", "keyboard_interrupt"):
            # LitServe's watch over its worker runs in a thread: the main one does what follows.
            self.worker_died = True
            self._shutdown_event.set()
            return
        for http in uvicorn_workers.values():
            http.terminate()
            http.join(0 if self.worker_died else DRAIN_S)
            http.kill()
        for worker in self.inference_workers:
            worker.kill()  # it holds nothing that would be lost
            worker.join()

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
    except KeyboardInterrupt:
        pass  # LitServe handles it once it serves, but not while the model loads
    finally:
        for child in multiprocessing.active_children():
            child.kill()
    if server.worker_died:
        sys.exit("expected LitServe's inference worker to run until SIGTERM, found it dead.")


def build_server(args: LaunchArgs, settings: ModelSettings, counters: Counters) -> ls.LitServer:
    api = BatchingClassifier(
        settings,
        counters,
        max_batch_size=int(args.options["max_batch_size"]),
        batch_timeout_s=float(args.options["batch_timeout_ms"]) / 1000,
    )
    # "cpu" is LitServe's word for one worker: the engine itself goes where its placement says.
    server = PipedLitServer(api, accelerator="cpu", workers_per_device=1, timeout=False)
    server.uvicorn_graceful_timeout = DRAIN_S
    # LitServe compresses long answers; no other contender does.
    server.app.user_middleware.clear()
    server.app.title = "Text classifier, batched"
    server.app.summary = (
        f"LitServe with {settings.engine}: up to {api.max_batch_size} texts a pass."
    )
    # Its own pages are not what its OpenAPI document declares, and say ready whatever happens.
    routes = server.app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", None) not in _OWN_PATHS]
    add_health_and_stats(server.app, args.contender, counters, api.spec.pulse.is_ready)
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
