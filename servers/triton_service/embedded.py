"""The Triton that the contenders `triton` and `hybrid` share: embedded form, one command line."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from servers.contract import LENGTH_BUCKETS
from servers.discovery import OptionValue
from servers.engines import ENGINES_IN_WORDS, EngineName, engine_named
from servers.launch_args import LaunchArgs, parse_launch_args, refuse_to_start
from servers.placement import EngineUnavailableError, placement_from
from servers.triton_service.checks import ConfigError
from servers.triton_service.colocated.repository import write_colocated_models
from servers.triton_service.config import RepositorySpec
from servers.triton_service.installation import (
    SITE_VARIABLE,
    byte_tensors_work,
    stub_numpy,
)
from servers.triton_service.plain_paths import InstallationError, plain_folder, plain_path
from servers.triton_service.process import Ports, TritonError, TritonServer, exit_on_signals
from servers.triton_service.repository import count_labels, write_repository

UNAVAILABLE = (EngineUnavailableError, InstallationError)
"""What was asked for is unavailable here; each message is one sentence for the operator."""

START_ERRORS = (ConfigError, TritonError)
"""What else can be wrong with a start, likewise."""


@contextmanager
def in_plain_folder(args: LaunchArgs) -> Iterator[LaunchArgs]:
    """args with a work_dir that Triton can work in."""
    with plain_folder(args.work_dir) as work_dir:
        yield replace(args, work_dir=work_dir)


def embedded_triton(args: LaunchArgs, ports: Ports, texts: bool) -> Callable[[], TritonServer]:
    """Writes the model repository into args.work_dir, a folder as in_plain_folder gives it; each
    call of what is returned makes a server over it, not started yet.

    texts says whether callers send texts, or token ids only; InstallationError when the Python
    processes of this Triton cannot be sent texts.
    """
    byte_tensors = byte_tensors_work()
    if texts and not byte_tensors:
        raise InstallationError(
            f"expected numpy below 2 for the tokenizer inside Triton 2.51, found {stub_numpy()}: "
            f"install numpy 1.26 into a folder and name it in {SITE_VARIABLE}, or choose hybrid, "
            "whose tokenizer runs outside Triton."
        )
    served = replace(args, model_dir=plain_path(args.model_dir.absolute(), args.work_dir / "links"))
    repository = args.work_dir / "repository"
    write_repository(repository, repository_spec(served, byte_tensors))
    write_colocated_models(repository, args.options, args.threads)
    numbers = count(1)
    return lambda: TritonServer(
        repository, args.work_dir / f"triton-{next(numbers)}", ports, args.contender
    )


def repository_spec(args: LaunchArgs, texts: bool) -> RepositorySpec:
    """The repository that the options of a contender mean. Those that a contender does not declare
    are as RepositorySpec has them."""
    options = args.options
    buckets = _numbers(options, "length_buckets")
    threads = int(options.get("threads_per_instance", 0))
    if threads < 0:
        raise ConfigError(
            f"expected threads_per_instance of 0 or more, found {threads}: correct it."
        )
    return RepositorySpec(
        form="embedded",
        n_labels=count_labels(args.model_dir),
        model_dir=args.model_dir,
        engine=_engine(args),
        placement=placement_from(options),
        batcher=bool(options["batcher"]),
        texts=texts,
        threads=threads or args.threads,
        max_batch_size=int(options["max_batch_size"]),
        max_queue_delay_us=int(options["max_queue_delay_us"]),
        instances=int(options["instances"]),
        ensemble=bool(options.get("ensemble", True)),
        max_queue_size=int(options.get("max_queue_size", 0)),
        queue_timeout_us=int(options.get("queue_timeout_us", 0)),
        preferred_batch_sizes=_numbers(options, "preferred_batch_sizes"),
        length_buckets=buckets or LENGTH_BUCKETS,
    )


def _numbers(options: Mapping[str, OptionValue], name: str) -> tuple[int, ...]:
    """Those of an option such as "8,16", ascending; none where it is empty, or not declared."""
    text = str(options.get(name, ""))
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(
            f'expected {name} as numbers above 0, such as "8,16", found {text!r}: correct it.'
        )
    return tuple(sorted({int(part) for part in parts}))


def start(run: Callable[[LaunchArgs], None]) -> None:
    """Runs the contender of this process by its command line, until a signal or a reason not to."""
    exit_on_signals()
    try:
        run(parse_launch_args())
    except UNAVAILABLE as error:
        refuse_to_start(error)
    except START_ERRORS as error:
        sys.exit(str(error))


def _engine(args: LaunchArgs) -> EngineName:
    engine = engine_named(args.engine)
    if engine is None:
        raise ConfigError(f"expected --engine {ENGINES_IN_WORDS}, found {args.engine}: correct it.")
    return engine
