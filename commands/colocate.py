"""`study colocate`: the classifier beside other models in one Triton."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from commands.common import (
    CACHE,
    RESULTS,
    ModelOption,
    ResultsOption,
    command_line,
    contender_named,
    machine_lock,
    say,
    status,
    writable,
)
from commands.errors import stopped_without_a_trace
from servers.engines import Device, EngineName, Precision
from servers.triton_service.colocated.sizes import SizeName


def colocate_models(
    device: Annotated[Device, typer.Option(help="Device on which all three models run.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Precision of all three models.")] = "fp32",
    engine: Annotated[
        EngineName | None,
        typer.Option(
            help="Engine of the classifier; by default torch on a GPU, onnxruntime on a CPU."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="Seconds of each measurement.")
    ] = 5,
    callers: Annotated[
        int, typer.Option(min=1, max=10_000, help="Concurrent callers per model.")
    ] = 16,
    repeats: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of blocks; intervals need at least two.")
    ] = 3,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also measure every pair of the models.")
    ] = False,
    colocated_models: Annotated[
        SizeName | None,
        typer.Option(
            help="Size of the co-located models; by default full on a GPU, small on a CPU."
        ),
    ] = None,
    model: ModelOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Measure how much the classifier, a ResNet-50 and a recommender lose in one Triton."""
    from analysis.colocation.page import write_page
    from loadtests.colocation.drive import Place
    from loadtests.colocation.measure import colocate
    from loadtests.colocation.plan import MODELS, ColocationSpec
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.host.nvml import Gpu
    from loadtests.launch.artefacts import prepare
    from loadtests.records.seed import SEED

    writable(results)
    spec = ColocationSpec(
        device, precision, engine, colocated_models, seconds, callers, repeats, pairs, SEED
    )
    artefacts = prepare(model or "small", None, SEED, CACHE)
    cores = split_cores(available_cores(), len(MODELS))
    with stopped_without_a_trace(), machine_lock(), status("starting") as update:
        place = Place(artefacts, cores, Gpu.find(), update)
        now = datetime.now(UTC)
        folder = colocate(contender_named("triton"), spec, place, results, command_line(), now)
    page = write_page(folder)
    say(page.read_text(encoding="utf-8"))
    say(str(page))
