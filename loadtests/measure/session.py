"""One session: a contender is started, checked for parity, serves its trials, and is stopped."""

from collections.abc import Callable, Iterator

from loadtests.launch.parity import ParityComparison, check_answers, expected_answers
from loadtests.launch.server import LaunchError, RunningServer, launched
from loadtests.measure.trial import RunContext, run_trial, save_failed
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.timetable import Limits, cut_off
from loadtests.records.trials import TrialRecord
from loadtests.wire.probe import ProbeError
from servers.launch_args import READY_WITHIN_S

Finished = Callable[[PlannedTrial, TrialRecord], None]


def run_session(
    first: PlannedTrial,
    others: Iterator[PlannedTrial],
    context: RunContext,
    limits: Limits,
    finished: Finished,
) -> None:
    """Runs the trials, all of one contender; each is asked for only when the one before is saved.

    A contender that ends in a trial, or starts a part of itself again, is started anew for those
    still to come. Where it does not start, or does not answer, every trial still to come is saved
    as failed, with the reason. Raises TimeUp where the run's time ends; the trial that is running
    then is not saved.
    """
    trial: PlannedTrial | None = first
    while trial is not None:
        trial = _one_start(trial, others, context, limits, finished)


def _one_start(
    first: PlannedTrial,
    others: Iterator[PlannedTrial],
    context: RunContext,
    limits: Limits,
    finished: Finished,
) -> PlannedTrial | None:
    """Serves trials until none is left or the contender has broken down; returns the next one to
    run."""
    trial: PlannedTrial | None = first
    log = context.folder / "trials" / f".{first.trial_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            launched(
                first.contender,
                model_dir=context.artefacts.model_dir,
                cores=context.cores["server"],
                log=log,
                ready_within_s=limits.start_s,
            ) as server,
            # Left before the server is stopped: nothing may cut that off.
            cut_off(limits.time.until_end_s()),
        ):
            answers = _parity_before_load(server, context)
            while trial is not None:
                finished(trial, run_trial(trial, server, answers, context, limits))
                trial = next(others, None)
                if not server.alive() or server.broken():
                    break
            return trial
    except (LaunchError, ProbeError) as error:
        reason = str(error)
        if isinstance(error, LaunchError) and limits.start_s < READY_WITHIN_S:
            reason += f" The budget of time left it {limits.start_s:.0f} s to start."
        tail = error.log_tail if isinstance(error, LaunchError) else server.log_tail()
        while trial is not None:
            finished(trial, save_failed(trial, context, reason, tail, log))
            trial = next(others, None)
        return None
    finally:
        log.unlink(missing_ok=True)


def _parity_before_load(server: RunningServer, context: RunContext) -> list[ParityComparison]:
    expected = expected_answers(server.contender, context.artefacts.texts)
    return check_answers(server.address, expected)
