"""One visit: a contender is started, checked for parity, serves its trials, and is stopped."""

from collections.abc import Callable, Iterator

from loadtests.launch import LaunchError, RunningServer, launched
from loadtests.parity import Compared, check_answers, expected_answers
from loadtests.plan import PlannedTrial
from loadtests.probe import ProbeError
from loadtests.records import TrialRecord
from loadtests.trial import RunContext, run_trial, save_failed

Finished = Callable[[PlannedTrial, TrialRecord], None]


def run_visit(
    first: PlannedTrial, others: Iterator[PlannedTrial], context: RunContext, finished: Finished
) -> None:
    """Runs the trials, all of one contender; each is asked for only when the one before is saved.

    A contender that ends in a trial is started again for those still to come. Where it does not
    start, or does not answer, every trial still to come is saved as failed, with the reason.
    """
    trial: PlannedTrial | None = first
    while trial is not None:
        trial = _one_start(trial, others, context, finished)


def _one_start(
    first: PlannedTrial, others: Iterator[PlannedTrial], context: RunContext, finished: Finished
) -> PlannedTrial | None:
    """Serves trials until none is left or the contender has ended; returns the next one to run."""
    trial: PlannedTrial | None = first
    log = context.folder / "trials" / f".{first.trial_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with launched(
            first.contender,
            model_dir=context.artefacts.model_dir,
            cores=context.cores["server"],
            log=log,
        ) as server:
            answers = _parity_before_load(server, context)
            while trial is not None:
                finished(trial, run_trial(trial, server, answers, context))
                trial = next(others, None)
                if not server.alive():
                    break
            return trial
    except (LaunchError, ProbeError) as error:
        tail = error.log_tail if isinstance(error, LaunchError) else server.log_tail()
        while trial is not None:
            finished(trial, save_failed(trial, context, str(error), tail, log))
            trial = next(others, None)
        return None
    finally:
        log.unlink(missing_ok=True)


def _parity_before_load(server: RunningServer, context: RunContext) -> list[Compared]:
    expected = expected_answers(server.contender, context.artefacts.texts)
    return check_answers(server.address, expected)
