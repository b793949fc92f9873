"""The Triton that the contenders `triton` and `hybrid` share: embedded form, one command line."""

from servers.launch_args import LaunchArgs
from servers.triton_service.checks import ConfigError
from servers.triton_service.config import RepositorySpec
from servers.triton_service.installation import InstallationError
from servers.triton_service.process import Ports, TritonError, TritonServer
from servers.triton_service.repository import count_labels, write_repository

START_ERRORS = (ConfigError, InstallationError, TritonError)
"""What can be wrong with a start; each message is one sentence for the operator."""


def embedded_triton(args: LaunchArgs, ports: Ports) -> TritonServer:
    """Writes the model repository into args.work_dir; the server over it is not started yet."""
    spec = RepositorySpec(
        form="embedded",
        n_labels=count_labels(args.model_dir),
        threads=args.threads,
        max_batch_size=int(args.options["max_batch_size"]),
        max_queue_delay_us=int(args.options["max_queue_delay_us"]),
        instances=int(args.options["instances"]),
    )
    repository = args.work_dir / "repository"
    write_repository(repository, args.model_dir, spec)
    return TritonServer(repository, args.work_dir / "triton", args.host, ports)
