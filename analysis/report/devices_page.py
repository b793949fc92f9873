"""Three devices: whom to choose at each rate, and which rules of thumb hold, as Markdown.

`python -m analysis.report.devices_page` simulates them, which takes some minutes, and keeps the
figures in results/reference-devices/devices.json; `... devices_page README.md docs/devices.md`
writes them from there between the markers of these files. A test compares.
"""

import sys
from pathlib import Path

from pydantic import TypeAdapter

from analysis.predict.basis import modelled, on_curve
from analysis.predict.by_device import DeviceStudy, study_device
from analysis.report.planning import DEFAULT_RUN, RESULTS, read_basis
from analysis.report.words import devices as words
from loadtests.records.device_curve import curve_named
from loadtests.records.experiment import Slo
from loadtests.records.markdown import inline, table, write_section

SECTION = "devices"
FILE = RESULTS / "reference-devices" / "devices.json"
CURVES = ("t4-fp16-tensorrt", "a100-fp16-tensorrt")
CORES = 8
"""Of the server of each replica beside a GPU: a small cloud machine with one card."""

SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)

_STUDIES = TypeAdapter(list[DeviceStudy])


def simulate(folder: Path = DEFAULT_RUN) -> list[DeviceStudy]:
    """The device of the run, then those of CURVES behind the same servers."""
    basis = read_basis(folder)[0]
    models, _ = modelled(basis)
    own = study_device(models, basis.traffic, SLO, basis.cpu, basis.n_cores)
    curves = [curve_named(name) for name in CURVES]
    return [
        own,
        *(
            study_device(on_curve(models, c, CORES), basis.traffic, SLO, c.label, CORES)
            for c in curves
        ),
    ]


def read(path: Path = FILE) -> list[DeviceStudy]:
    return _STUDIES.validate_json(path.read_bytes())


def write(studies: list[DeviceStudy], path: Path = FILE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_STUDIES.dump_json(studies, indent=2) + b"\n")


def short_table(studies: list[DeviceStudy]) -> str:
    """A row a rate, a column a device: whom to choose."""
    rows = [
        [f"{each.rate_rps:,.0f} rps", *(_chosen(study, k) for study in studies)]
        for k, each in enumerate(studies[0].choices)
    ]
    return table(["arrival rate", *(inline(words.device(s)) for s in studies)], rows)


def page(studies: list[DeviceStudy]) -> str:
    """The short table, the rules, and what each verdict rests on, device by device."""
    heads = [inline(words.device(study)) for study in studies]
    parts = [
        "## Whom to choose",
        short_table(studies),
        "## The rules of thumb",
        table(["rule", *heads], words.verdicts(studies)),
    ]
    for study, head in zip(studies, heads, strict=True):
        rows = [[rule, *judge(study)] for rule, judge in words.RULES.items()]
        chosen = [
            [f"{each.rate_rps:,.0f} rps", _chosen(study, k), words.also(each)]
            for k, each in enumerate(study.choices)
        ]
        parts += [
            f"## {head[0].upper()}{head[1:]}",
            table(["arrival rate", "choose", "as few replicas"], chosen),
            table(["rule", "verdict", "found"], rows),
        ]
    return "\n\n".join(parts)


def _chosen(study: DeviceStudy, k: int) -> str:
    return words.choice(study.choices[k], study.slo.percentile)


def main(paths: list[Path]) -> None:
    if not paths:
        write(simulate())
        return
    studies = read()
    for path in paths:
        new = short_table(studies) if path.name == "README.md" else page(studies)
        write_section(path, SECTION, new)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
