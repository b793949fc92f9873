"""`study profile`: the curve of an engine on this machine, as a file to replay or to plan with."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import CACHE, ModelOption, command_line, machine_lock, say, writable
from servers.engines import REAL_ENGINES, Device, EngineName, Precision

LENGTHS_TOKENS, BATCH_SIZES = (8, 16, 32, 64, 128), (1, 2, 4, 8, 16, 32, 64)


def profile(
    engine: Annotated[
        EngineName,
        typer.Argument(metavar="ENGINE", help=f"One of {', '.join(REAL_ENGINES)}."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, which ends in .toml.",
            show_default="ENGINE-MODEL-DEVICE-PRECISION.toml in this folder",
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the engine runs.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Precision of its arithmetic.")] = "fp32",
    cuda_graphs: Annotated[
        bool, typer.Option("--cuda-graphs", help="Replay launches as CUDA graphs (torch).")
    ] = False,
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Run through TensorRT (onnxruntime).")
    ] = False,
    model: ModelOption = None,
    length: Annotated[
        list[int] | None,
        typer.Option(
            min=8,
            max=128,
            help="Padded length in tokens; give it again for another.",
            show_default=" ".join(map(str, LENGTHS_TOKENS)),
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=64,
            help="Batch size, at least two of them; give it again for another.",
            show_default=" ".join(map(str, BATCH_SIZES)),
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=3, max=10_000, help="Passes timed at each length and batch size.")
    ] = 100,
) -> None:
    """Measure what a forward pass takes by batch size and length, and write it as a device curve.

    The engine runs alone on the cores that a server gets, without a server around it. On a GPU the
    launches of a pass (the host's part) are timed apart from what passes between two CUDA events;
    on a CPU every second of a pass is the host's. The file names this machine and this command as
    its source; the option curve of a contender with the engine replay takes it, and so does
    whatever plans for a device. It takes one to three minutes.
    """
    from loadtests.host.cores import available_cores, split_cores
    from loadtests.launch.artefacts import prepare
    from loadtests.measure.engines import EngineBench, ProfileError, WantedEngine, profile_engine
    from loadtests.records.seed import SEED
    from loadtests.spec.experiment import EnginesSpec
    from servers.device_curve import CURVE_SUFFIX, read_curve
    from servers.placement import Placement

    if engine not in REAL_ENGINES:
        raise ProfileError(
            f"expected an engine that computes ({', '.join(REAL_ENGINES)}), found {engine!r}: "
            "choose one of them."
        )
    named = Path(model or "small").name
    path = out or Path(f"{engine}-{named}-{device}-{precision}{CURVE_SUFFIX}")
    if path.suffix != CURVE_SUFFIX:
        raise ProfileError(f"expected a file {CURVE_SUFFIX} in --out, found {path}: rename it.")
    writable(path.parent)
    sizes = sorted({*(batch or BATCH_SIZES)})
    if len(sizes) < 2:
        raise ProfileError(
            f"expected at least two batch sizes, found {sizes[0]} alone: give --batch again."
        )
    spec = EnginesSpec(
        lengths_tokens=tuple(sorted({*(length or LENGTHS_TOKENS)})),
        batch_sizes=tuple(sizes),
        repeats=repeats,
    )
    artefacts = prepare(model or "small", None, SEED, CACHE, engines=(engine,))
    bench = EngineBench(spec, artefacts.model_dir, split_cores(available_cores(), 1)["server"])
    placement = Placement(device, precision, cuda_graphs, tensorrt)
    with machine_lock():
        profile_engine(WantedEngine(engine, placement, ()), bench, path, command_line(), say)
    curve = read_curve(path)
    for each in spec.lengths_tokens:
        best = curve.best_rate(each, max(spec.batch_sizes))
        alone_ms = curve.pass_s(1, each) * 1000
        say(f"{each} tokens: {alone_ms:.3g} ms for one text, at best {best:.0f} texts/s")
    say(f"{path}: {curve.device}, {curve.precision}, {curve.software}")
