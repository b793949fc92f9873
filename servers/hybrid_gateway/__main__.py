"""Starts the contender `hybrid`: a tritonserver of its own, then the gateway until a signal.

With the option triton_url (HOST:PORT of its gRPC) the gateway uses that Triton and starts none.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import uvicorn

from servers.discovery import OptionValue, discover
from servers.http_metrics import Metrics
from servers.http_service import UVICORN_OPTIONS
from servers.hybrid_gateway.access_log import LOG_CONFIG
from servers.hybrid_gateway.app import create_app
from servers.hybrid_gateway.equipment import equip
from servers.hybrid_gateway.features import FeatureError, Features
from servers.hybrid_gateway.gateway import GatewaySettings
from servers.hybrid_gateway.problems import ProblemProtocol
from servers.hybrid_gateway.workers import serve_in_workers
from servers.launch_args import RESTARTS_FILE, LaunchArgs, refuse_to_start
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
    args = replace(args, options=completed(args.options))
    try:
        features = Features.of(args.options)
        # What it would refuse in a worker, it refuses here and before Triton starts.
        equip(features, Metrics())
    except FeatureError as error:
        refuse_to_start(error)
    if args.options["triton_url"]:
        serve(args, features, str(args.options["triton_url"]))
        return
    ports = Ports(grpc=args.extra_ports["triton_grpc"])
    notes = args.work_dir / RESTARTS_FILE
    with in_plain_folder(args) as placed:
        make = embedded_triton(placed, ports, texts=False)
        with Supervisor(make, notes, on_end=lambda: os.kill(os.getpid(), signal.SIGTERM)):
            serve(args, features, f"{LOOPBACK}:{ports.grpc}")


def completed(given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """Options of which a person gives only those that he changes."""
    known = discover()["hybrid"].options
    if unknown := sorted(set(given) - set(known)):
        refuse_to_start(
            f"expected options of {', '.join(sorted(known))}, found {unknown[0]!r}: correct it."
        )
    return {**known, **given}


def serve(args: LaunchArgs, features: Features, grpc_url: str) -> None:
    settings = GatewaySettings(
        grpc_url=grpc_url,
        model_dir=args.model_dir,
        deadline_s=float(args.options["deadline_ms"]) / 1000,
        max_batch_size=int(args.options["max_batch_size"]),
        max_in_progress=int(args.options["max_in_progress"]),
        contender=args.contender,
        features=features,
    )
    options = {
        **UVICORN_OPTIONS,
        **server_options(features),
        "host": args.host,
        "port": args.port,
        "timeout_graceful_shutdown": DRAIN_S,
    }
    if features.workers > 1:
        serve_in_workers(settings, options)
    else:
        uvicorn.run(create_app(settings), **options)


def server_options(features: Features) -> dict[str, Any]:
    """What uvicorn is told beside what it is told of every contender."""
    options: dict[str, Any] = {}
    if features.access_log:
        options["log_config"] = LOG_CONFIG
    if features.problem_details:
        options["http"] = ProblemProtocol
    if features.tls_certificate:
        options["ssl_certfile"] = features.tls_certificate
        options["ssl_keyfile"] = features.tls_key
    return options


if __name__ == "__main__":
    start(run)
