"""`study check`: what a run of an experiment will find on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import CACHE, ModelOption, TextsOption, console, machine_lock, say


def check(
    experiment: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file, or its name.")
    ],
    model: ModelOption = None,
    texts: TextsOption = None,
) -> None:
    """Start every contender of an experiment once, and say which are unavailable here and why."""
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.host.nvml import Gpu
    from loadtests.launch.artefacts import prepare
    from loadtests.launch.preflight import gpu_in_words, preflight
    from loadtests.spec.contenders import resolve_contenders
    from loadtests.spec.file import read_experiment
    from loadtests.spec.overrides import with_overrides

    chosen = with_overrides(read_experiment(experiment), model, texts)
    contenders = resolve_contenders(chosen)
    gpu = Gpu.find()
    say(gpu_in_words(gpu.describe() if gpu else None))
    console.print("Preparing the model and the traffic")
    engines = {contender.engine for contender in contenders.values()}
    artefacts = prepare(chosen.model, chosen.texts, chosen.seed, CACHE, engines=engines)
    cores = split_cores(available_cores(), chosen.load.workers)["server"]
    named = [contenders[name] for name in chosen.contenders]
    with machine_lock():
        for finding in preflight(named, artefacts, cores, chosen.parity_tolerance):
            say(finding.in_words())
