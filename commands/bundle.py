"""`study bundle`: the study for a machine without a network."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import ROOT, console, say, status, writable


def bundle_up(
    out: Annotated[
        Path, typer.Option(help="Folder in which the bundle is written.", show_default="dist/")
    ] = ROOT / "dist",
    have: Annotated[
        Path | None,
        typer.Option(
            help="Output of `pip freeze` on the target; without it, everything is packed."
        ),
    ] = None,
    python: Annotated[
        str, typer.Option(help="Python version of the target: 3.11, 3.12 or 3.13.")
    ] = "3.12",
    platform: Annotated[
        str,
        typer.Option(help="Platform of the target: manylinux_2_N_x86_64, where 2.N is its glibc."),
    ] = "manylinux_2_35_x86_64",
    part_mib: Annotated[
        int | None,
        typer.Option(min=1, help="Largest size of one part of the archive; without it, one file."),
    ] = None,
    artefacts: Annotated[
        str, typer.Option(help="Built models to pack, separated by commas: small, base (780 MiB).")
    ] = "small",
    no_artefacts: Annotated[
        bool, typer.Option("--no-artefacts", help="Pack no models; the target builds them.")
    ] = False,
    extras: Annotated[
        str,
        typer.Option(
            help="Extras of pyproject.toml to pack; gpu replaces onnxruntime by onnxruntime-gpu."
        ),
    ] = "",
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Download and show what would be packed, and write nothing."),
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
