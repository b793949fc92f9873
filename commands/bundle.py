"""`study bundle`: the study for a machine without a network."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import ROOT, console, say, status, writable


def bundle_up(
    out: Annotated[
        Path, typer.Option(help="Where the bundle's folder is written.", show_default="dist/")
    ] = ROOT / "dist",
    have: Annotated[
        Path | None,
        typer.Option(help="The target's `pip freeze`: what it has is used. Else it has nothing."),
    ] = None,
    python: Annotated[str, typer.Option(help="The target's: 3.11, 3.12 or 3.13.")] = "3.12",
    platform: Annotated[
        str, typer.Option(help="manylinux_2_N_x86_64, 2.N being the target's glibc.")
    ] = "manylinux_2_35_x86_64",
    part_mib: Annotated[
        int | None, typer.Option(min=1, help="Cut the archive into parts of at most this.")
    ] = None,
    artefacts: Annotated[
        str, typer.Option(help="Models to take along ready-made: small, base (780 MiB) or both.")
    ] = "small",
    no_artefacts: Annotated[
        bool, typer.Option("--no-artefacts", help="No models: the target makes them.")
    ] = False,
    extras: Annotated[
        str, typer.Option(help="Of pyproject.toml, e.g. gpu: onnxruntime-gpu for onnxruntime.")
    ] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Fetch and show what would be packed; write nothing.")
    ] = False,
) -> None:
    """Pack wheels, project and models for a machine without a network."""
    from bundle.gather import gathered, read_sizes
    from bundle.pack import write_bundle
    from bundle.tables import MIB, files_table, remarks
    from bundle.target import read_target
    from loadtests.records.seed import SEED
    from servers.surroundings import writable_cache

    gathering = gathered(
        root=ROOT,
        cache=writable_cache(ROOT / ".cache"),
        target=read_target(python, platform),
        have=have,
        extras=[extra for extra in extras.split(",") if extra],
        models=[] if no_artefacts else read_sizes(artefacts),
        seed=SEED,
    )
    part_bytes = part_mib * MIB if part_mib else None
    if not plan:
        writable(out)
    with status("collecting"), gathering as contents:
        console.print(files_table(contents.folder, f"For Python {python} on {platform}"))
        for remark in remarks(contents):
            say(remark)
        folder = None if plan else write_bundle(contents, out, part_bytes)
    if folder:
        console.print(files_table(folder, folder.name))
        say(f"{folder}: take it there, then sh {folder.name}/install.sh")
