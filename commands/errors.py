"""What a person can correct, said in one sentence with exit code 2 and never as a traceback."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import typer


class FolderError(RuntimeError):
    """A folder in which nothing can be written."""

    def __init__(self, folder: object, why: OSError) -> None:
        super().__init__(
            f"expected to write to {folder}, found: {why.strerror}; make room there or name "
            "another folder."
        )


def expected_errors() -> tuple[type[Exception], ...]:
    """Looked up when there is an error: what raises them takes a second to import."""
    from analysis.claims.statements import StatementError
    from analysis.predict.values import PredictError
    from bundle.errors import BundleError
    from loadtests.host.locks import LockError
    from loadtests.launch.artefacts import ArtefactError
    from loadtests.launch.serve import ServeError
    from loadtests.launch.server import LaunchError
    from loadtests.live.web import UiError
    from loadtests.measure.engines import ProfileError
    from loadtests.measure.locust_process import DriveError
    from loadtests.plan.time_budget import BudgetError
    from loadtests.records.stored import RecordError
    from loadtests.selfcheck.outside_tools import ToolError
    from loadtests.spec.file import SpecError
    from loadtests.tune.space import TuneError
    from loadtests.wire.metrics import MetricsError
    from loadtests.wire.probe import ProbeError
    from servers.device_curve import CurveError
    from servers.discovery import ContenderError
    from servers.triton_service.doctor.errors import DoctorError
    from servers.triton_service.models_file.strict import ModelsFileError

    return (
        *(SpecError, BudgetError, ContenderError, ArtefactError, RecordError, ServeError),
        *(LaunchError, DriveError, LockError, ToolError, ProbeError, BundleError, FolderError),
        *(StatementError, DoctorError, CurveError, ProfileError, PredictError, TuneError),
        *(ModelsFileError, MetricsError, UiError),
    )


def exits_with_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose expected errors and whose failure to write are said so."""

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            try:
                command(*args, **kwargs)
            except (typer.Exit, typer.Abort):
                raise
            except Exception as error:
                sentence = _sentence(error)
                if sentence is None:
                    raise
                for line in getattr(error, "log_tail", ()):
                    print(f"  | {line}", file=sys.stderr)
                print(f"study: {sentence}", file=sys.stderr)
                raise typer.Exit(2) from error
        except KeyboardInterrupt as stopped:  # also while an error is looked up
            print(f"\nStopped. {stopped}".rstrip(), file=sys.stderr)
            raise typer.Exit(130) from None

    return wrapped


def _sentence(error: Exception) -> str | None:
    """What a person is told of an error that they can correct; None: it is a fault of the study."""
    if not isinstance(error, OSError):
        return str(error) if isinstance(error, expected_errors()) else None
    from loadtests.run.stops import found_and_remedy

    known = found_and_remedy(error)
    return f"{known[0]}; {known[1]}." if known else None


@contextmanager
def stopped_without_a_trace() -> Iterator[None]:
    """For a command that writes at its end only: says so when it is stopped before."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        raise typer.Exit(130) from None
