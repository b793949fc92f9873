"""LitServe with what it lacks: quicker queues, a loop that sleeps, true health, a clean stop."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess

import litserve as ls
from fastapi import FastAPI
from litserve.transport.process_transport import MPQueueTransport
from litserve.utils import WorkerSetupStatus

from servers.http_limits import DRAIN_S
from servers.http_service import Counters, add_health_and_stats
from servers.launch_args import LaunchArgs
from servers.litserve_service.api import ModelSettings
from servers.litserve_service.loop import BlockingBatchLoop
from servers.litserve_service.patched_api import PatchedApi, end_with_main_process
from servers.litserve_service.server import SPAWN
from servers.litserve_service.spec import ClassifierSpec

POLL_S = 0.05

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
        self._index = SPAWN.RawValue("i", 0)

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
        self._shutdown_event = SPAWN.Event()
        for lit_api in self.litapi_connector:
            self.litapi_request_queues[lit_api.api_path] = SPAWN.Queue()
        self._transport = MPQueueTransport(None, [SPAWN.Queue() for _ in range(num_api_servers)])

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


def build_patched(
    args: LaunchArgs, settings: ModelSettings, counters: Counters, batching: Mapping[str, float]
) -> ls.LitServer:
    spec = ClassifierSpec(counters.metrics)
    api = PatchedApi(settings, counters, spec=spec, loop=BlockingBatchLoop(), **batching)
    server = PipedLitServer(api, accelerator="cpu", workers_per_device=1, timeout=False)
    # LitServe compresses long answers; no other contender does.
    server.app.user_middleware.clear()
    # Its own pages are not what its OpenAPI document declares, and say ready whatever happens.
    routes = server.app.router.routes
    routes[:] = [route for route in routes if getattr(route, "path", None) not in _OWN_PATHS]
    add_health_and_stats(server.app, args.contender, counters, api.spec.pulse.is_ready)
    return server
