"""Starts the contender `triton`: writes its model repository, runs tritonserver until a signal."""

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from servers.contract import MODEL_NAME
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.launch_args import RESTARTS_FILE, LaunchArgs, refuse_to_start
from servers.triton_service.embedded import (
    embedded_triton,
    in_plain_folder,
    start,
)
from servers.triton_service.front import fronting
from servers.triton_service.process import (
    LOOPBACK,
    Ports,
    TritonError,
    TritonServer,
    listening,
)
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
    if args.host not in (LOOPBACK, "localhost"):
        refuse_to_start(
            f"expected --host {LOOPBACK}, found {args.host}: Triton 2.51 can be ended by a request "
            "and must face no network; choose hybrid, whose gateway may."
        )
    http_port, notes = args.extra_ports["http"], args.work_dir / RESTARTS_FILE
    with in_plain_folder(args) as placed, listening(LOOPBACK, http_port) as listener:
        http_socket = placed.work_dir / "http.socket"
        ports = Ports(args.port, args.extra_ports["metrics"], http_socket)
        make = embedded_triton(placed, ports, texts=True)
        with (
            Supervisor(make, notes, check=answer_canary) as supervisor,
            fronting(http_socket, listener),
        ):
            where = f"grpc {LOOPBACK}:{ports.grpc} http {LOOPBACK}:{http_port}"
            print(f"triton ready: {where}", flush=True)
            supervisor.wait()


if __name__ == "__main__":
    start(run)
