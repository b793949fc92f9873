"""Starts a contender of this folder: writes its repository, runs tritonserver until a signal."""

import time

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
from servers.triton_service.process import LOOPBACK, POLL_S, Ports, TritonError, TritonServer
from servers.triton_service.supervisor import Supervisor

CANARY_TIMEOUT_S = 30.0


def answer_canary(server: TritonServer) -> None:
    """One inference through every model: Triton's own health stays good when a stub is dead. Asked
    again where others fill a bounded queue: callers may be there before it."""
    text = InferInput("TEXT", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([["canary"]], dtype=object))
    deadline_s = time.monotonic() + CANARY_TIMEOUT_S
    with InferenceServerClient(server.grpc_url, channel_args=GRPC_CHANNEL_OPTIONS) as client:
        while True:
            try:
                client.infer(MODEL_NAME, [text], client_timeout=CANARY_TIMEOUT_S)
                return
            except InferenceServerException as error:
                full = error.status() == "StatusCode.UNAVAILABLE" and not server.has_ended()
                if not full or time.monotonic() > deadline_s:
                    raise TritonError(
                        f"expected an answer to a first text, found: {error}."
                    ) from error
                time.sleep(POLL_S)


def run(args: LaunchArgs) -> None:
    if args.host not in (LOOPBACK, "localhost"):
        refuse_to_start(
            f"expected --host {LOOPBACK}, found {args.host}: Triton 2.51 can be ended by a request "
            "and must face no network; choose hybrid, whose gateway may."
        )
    ports, notes = _ports(args), args.work_dir / RESTARTS_FILE
    with in_plain_folder(args) as placed:
        make = embedded_triton(placed, ports, texts=True)
        with Supervisor(make, notes, check=answer_canary) as supervisor:
            print(f"triton ready: {ports}", flush=True)
            supervisor.wait()


def _ports(args: LaunchArgs) -> Ports:
    """The main port is HTTP's where gRPC has one beside it. The launcher itself needs gRPC; HTTP is
    closed where no load comes over it, since a request there can end Triton 2.51."""
    grpc, metrics = args.extra_ports.get("grpc"), args.extra_ports["metrics"]
    return Ports(args.port, metrics) if grpc is None else Ports(grpc, metrics, http=args.port)


if __name__ == "__main__":
    start(run)
