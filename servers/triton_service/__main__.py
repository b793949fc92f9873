"""Starts the contender `triton`: writes its model repository, runs tritonserver until a signal."""

import sys

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from servers.contract import MODEL_NAME
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.launch_args import RESTARTS_FILE, LaunchArgs, parse_launch_args, refuse_to_start
from servers.triton_service.embedded import START_ERRORS, UNAVAILABLE, embedded_triton
from servers.triton_service.process import Ports, TritonError, TritonServer, exit_on_signals
from servers.triton_service.supervisor import Supervisor

CANARY_TIMEOUT_S = 30.0


def answer_canary(server: TritonServer) -> None:
    """One inference through every model: Triton's own health stays good when a stub is dead."""
    text = InferInput("TEXT", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([["canary"]], dtype=object))
    try:
        with InferenceServerClient(server.grpc_url, channel_args=GRPC_CHANNEL_OPTIONS) as client:
            client.infer(MODEL_NAME, [text], client_timeout=CANARY_TIMEOUT_S)
    except InferenceServerException as error:
        raise TritonError(f"expected an answer to a first text, found: {error}.") from error


def run(args: LaunchArgs) -> None:
    ports = Ports(args.port, args.extra_ports["http"], args.extra_ports["metrics"])
    make, notes = embedded_triton(args, ports, texts=True), args.work_dir / RESTARTS_FILE
    with Supervisor(make, notes, check=answer_canary) as supervisor:
        where = f"grpc {args.host}:{ports.grpc} http {args.host}:{ports.http}"
        print(f"triton ready: {where}", flush=True)
        supervisor.wait()


if __name__ == "__main__":
    exit_on_signals()
    try:
        run(parse_launch_args())
    except UNAVAILABLE as error:
        refuse_to_start(error)
    except START_ERRORS as error:
        sys.exit(str(error))
