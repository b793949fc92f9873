"""front_costs.json of a committed run, which predictions of later runs rest on: fitted in a minute,
so not before every run.

`python -m analysis.report.front_costs RUN` writes it; a test fits some of them again.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.predict.basis import Basis, Modelled, modelled
from analysis.report.planning import read_basis
from loadtests.records.front_costs import FrontCosts, write_front_costs


def costs_of_run(basis: Basis, only: Sequence[str] = ()) -> list[FrontCosts]:
    """Every contender that can be modelled, or those named."""
    facts = tuple(each for each in basis.facts if not only or each.name in only)
    return [_costs(each) for each in modelled(replace(basis, facts=facts))[0]]


def _costs(model: Modelled) -> FrontCosts:
    facts, front = model.facts, model.front
    return FrontCosts(
        name=facts.name,
        server=facts.server,
        protocol=facts.protocol,
        engine=facts.engine,
        setting=facts.setting,
        options=facts.options,
        front_cpu_s=front.front_cpu_s,
        hop_cpu_s=front.hop_cpu_s,
        cold_cpu_s=front.cold_cpu_s,
        overhead_s=front.overhead_s,
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = read_basis(folder)[0]
    write_front_costs(folder, found.run_id, costs_of_run(found))
