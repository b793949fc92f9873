"""A server session: a contender is started, its answers are compared, and it is stopped again."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from loadtests.launch.parity import ParityComparison, expected_answers
from loadtests.launch.server import LaunchError, RunningServer
from loadtests.measure.tools import RunContext
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.timetable import Limits, TimeUp, cut_off
from loadtests.wire.probe import ProbeError
from servers.launch_args import READY_WITHIN_S


class Session:
    """Trials of one contender that share a start, each taken when the one before is saved.

    restarted: the contender broke down in the session before, of which this one is the rest.
    time_is_up: the run ended before its trials did; underway is the one that it cut off.
    """

    def __init__(
        self, first: PlannedTrial, others: Iterator[PlannedTrial], limits: Limits, restarted: bool
    ) -> None:
        self.first = self.underway = first
        self.limits = limits
        self.restarted = restarted
        self.time_is_up = False
        self._others = others

    def trials(self) -> Iterator[PlannedTrial]:
        for trial in chain([self.first], self._others):
            self.underway = trial
            yield trial

    @contextmanager
    def within_time(self) -> Iterator[None]:
        """A block that ends where the run's time does."""
        try:
            yield
        except TimeUp:
            self.time_is_up = True


@dataclass(frozen=True)
class Started:
    """A contender and its answers before the load; error: it is not ready, or does not answer."""

    log: Path
    server: RunningServer | None = None
    answers: Sequence[ParityComparison] = ()
    error: LaunchError | ProbeError | None = None

    def ready(self) -> RunningServer:
        """The server; raises why it cannot be measured."""
        if self.error is not None:
            raise self.error
        assert self.server is not None
        return self.server

    def broke_down(self) -> bool:
        """Whether it was ready and ended, or started a part of itself again: it serves no further
        trial."""
        if self.error is not None:
            return False
        return not self.ready().alive() or self.ready().broken() is not None


@contextmanager
def started(session: Session, context: RunContext) -> Iterator[Started]:
    """The session's contender, stopped afterwards. Raises TimeUp where the run's time ends."""
    contender, limits = session.first.contender, session.limits
    log = context.folder / "trials" / f".{session.first.trial_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    server, answers = None, list[ParityComparison]()
    failed: LaunchError | ProbeError | None = None
    with ExitStack() as stack:
        stack.callback(log.unlink, missing_ok=True)
        try:
            server = stack.enter_context(
                context.tools.launch(
                    contender,
                    model_dir=context.artefacts.model_dir,
                    cores=context.cores["server"],
                    log=log,
                    ready_within_s=limits.start_s,
                )
            )
            # Left before the server is stopped: nothing may cut that off.
            stack.enter_context(cut_off(limits.time.until_end_s()))
            expected = expected_answers(contender, context.artefacts.texts)
            answers = context.tools.ask(server.address, expected)
        except LaunchError as error:
            late = f" The budget of time left it {limits.start_s:.0f} s to start."
            short = limits.start_s < READY_WITHIN_S
            failed = LaunchError(f"{error}{late if short else ''}", error.log_tail)
        except ProbeError as error:
            failed = error
        yield Started(log, server, answers, failed)
