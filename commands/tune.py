"""`study tune`: which options of a contender with Triton inside to run it with."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import (
    CACHE,
    RESULTS,
    ModelOption,
    ResultsOption,
    TextsOption,
    command_line,
    console,
    contender_named,
    machine_lock,
    say,
    writable,
)

if TYPE_CHECKING:
    from loadtests.launch.artefacts import Artefacts
    from loadtests.measure.tools import RunContext
    from loadtests.records.tuning import Tuning

DEFAULT_BUDGET = "30m"
SLO = "p99<=100ms"


def tune(
    context: typer.Context,
    contender: Annotated[
        str | None,
        typer.Argument(metavar="CONTENDER", help="Contender with Triton inside, such as triton."),
    ] = None,
    slo: Annotated[
        str, typer.Option(help="SLO such as 'p99<=50ms'; 0.1 % of requests may fail.")
    ] = SLO,
    time_budget: Annotated[
        str,
        typer.Option(help="Time limit of the whole command, e.g. 30m or 2h."),
    ] = DEFAULT_BUDGET,
    low_rate: Annotated[
        float,
        typer.Option(
            min=0.1, max=100_000, help="Low load, at which P50 is compared, in requests per second."
        ),
    ] = 20,
    max_p50: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=3_600_000, help="Limit: P50 at low load of at most so many milliseconds."
        ),
    ] = None,
    max_memory: Annotated[
        float | None,
        typer.Option(min=1, max=1e9, help="Limit: server memory of at most so many MiB."),
    ] = None,
    candidates: Annotated[
        int,
        typer.Option(
            min=1, max=50, help="Configurations of a generation, all up beside the default."
        ),
    ] = 4,
    finalists: Annotated[
        int,
        typer.Option(min=1, max=50, help="Configurations that are measured once more at the end."),
    ] = 3,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Another seed, for another search."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a search to finish, with everything that was asked then; what is "
            "measured there is kept."
        ),
    ] = None,
    model: ModelOption = None,
    texts: TextsOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Search the batching, instances, threads and buckets of a Triton contender under an SLO."""
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.launch.artefacts import prepare
    from loadtests.plan.time_budget import seconds
    from loadtests.records.tuning import Limits
    from loadtests.spec.overrides import slo_from
    from loadtests.tune.plan import ERROR_RATIO, drafted, new_search, planned, tuning_to_resume
    from loadtests.tune.propose import require_optuna
    from loadtests.tune.search import says_how_to_tune_on
    from loadtests.tune.space import TuneError

    began_s, budget_s = time.monotonic(), math.inf
    cores = split_cores(available_cores(), 1)["server"]
    if resume is not None:
        tuning = tuning_to_resume(resume, _given(context))
    elif contender is None:
        raise TuneError(
            "expected a contender, or --resume with the folder of a search, found neither: name "
            "one, such as triton."
        )
    else:
        budget_s = seconds(time_budget)
        tuning = drafted(
            contender_named(contender),
            len(cores),
            slo=slo_from(slo, ERROR_RATIO),
            limits=Limits(p50_ms=max_p50, memory_mib=max_memory),
            low_rps=low_rate,
            candidates=candidates,
            finalists=finalists,
            seed=seed,
            model=model,
            texts=texts,
            command=command_line(),
        )
        planned(tuning, budget_s)  # too little is refused before the model is built
    require_optuna()
    writable(resume or results)
    engine = contender_named(tuning.contender).engine
    say("Preparing the model and the traffic")
    artefacts = prepare(tuning.model, tuning.texts, tuning.seed, CACHE, engines=(engine,))
    with machine_lock(began_s + budget_s):
        if resume is None:
            tuning = planned(tuning, budget_s - (time.monotonic() - began_s))
        folder = resume or new_search(results, tuning, datetime.now(UTC))
        with says_how_to_tune_on(folder):
            _carry_out(folder, tuning, artefacts, cores)


def _given(context: typer.Context) -> list[str]:
    """What the command line says beside --resume, as it is called there."""
    found = []
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name != "resume" and source and source.name == "COMMANDLINE":
            is_option = parameter.param_type_name == "option"
            found.append(parameter.opts[0] if is_option else "CONTENDER")
    return found


def _carry_out(
    folder: Path, tuning: "Tuning", artefacts: "Artefacts", cores: Sequence[int]
) -> None:
    """The search, its verdict, and the files of the configuration to take."""
    from analysis.tune.measured import judge
    from analysis.tune.page import tuned, tuned_table, write_tuned
    from commands.reporting import so_far
    from loadtests.measure.tools import Tools
    from loadtests.run.progress import RunProgress, trial_line
    from loadtests.tune.repository import write_configs
    from loadtests.tune.search import search
    from servers.confine import raise_open_files

    def watch(run: "RunContext") -> RunProgress:
        return RunProgress(console, partial(trial_line, run), lambda: so_far(run.folder))

    raise_open_files()
    tools = Tools(CACHE, say, watch, lambda _: nullcontext(), prepare=lambda *_: artefacts)
    runs = search(folder, tuning, len(cores), tools, lambda run: judge(run, tuning))
    found = tuned(tuning, runs.generations, runs.final)
    contender, best = contender_named(tuning.contender), found.answer.best
    written = write_tuned(folder, found, runs.final)
    written += write_configs(
        folder / "best",
        contender,
        best.settings if best else tuning.default,
        artefacts.model_dir,
        cores,
    )
    console.print(tuned_table(found))
    for path in written:
        say(str(path))
