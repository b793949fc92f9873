"""Starts the contender `hybrid`: a tritonserver of its own, then the gateway until a signal.

With the option triton_url (HOST:PORT of its gRPC) the gateway uses that Triton and starts none.
"""

import os
import signal

import uvicorn

from servers.http_service import UVICORN_OPTIONS
from servers.hybrid_gateway.app import GatewaySettings, create_app
from servers.launch_args import RESTARTS_FILE, LaunchArgs
from servers.triton_service.embedded import (
    embedded_triton,
    in_plain_folder,
    start,
)
from servers.triton_service.process import LOOPBACK, Ports
from servers.triton_service.supervisor import Supervisor

DRAIN_S = 3
"""What requests under way may take after SIGTERM: all of their deadline, and less than elsewhere,
since Triton stops only after them."""


def run(args: LaunchArgs) -> None:
    if args.options["triton_url"]:
        serve(args, str(args.options["triton_url"]))
        return
    ports = Ports(grpc=args.extra_ports["triton_grpc"])
    notes = args.work_dir / RESTARTS_FILE
    with in_plain_folder(args) as placed:
        make = embedded_triton(placed, ports, texts=False)
        with Supervisor(make, notes, on_end=lambda: os.kill(os.getpid(), signal.SIGTERM)):
            serve(args, f"{LOOPBACK}:{ports.grpc}")


def serve(args: LaunchArgs, grpc_url: str) -> None:
    settings = GatewaySettings(
        grpc_url=grpc_url,
        model_dir=args.model_dir,
        deadline_s=float(args.options["deadline_ms"]) / 1000,
        max_batch_size=int(args.options["max_batch_size"]),
        max_in_progress=int(args.options["max_in_progress"]),
        contender=args.contender,
    )
    uvicorn.run(
        create_app(settings),
        host=args.host,
        port=args.port,
        timeout_graceful_shutdown=DRAIN_S,
        **UVICORN_OPTIONS,
    )


if __name__ == "__main__":
    start(run)
