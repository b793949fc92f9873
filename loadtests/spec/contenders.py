"""The contenders of an experiment: those that are found, its variants and its external ones."""

import difflib
from collections.abc import Mapping

from loadtests.spec.experiment import Experiment
from servers.discovery import Contender, ContenderError, discover


def resolve_contenders(experiment: Experiment) -> dict[str, Contender]:
    """Every contender the experiment names, calibration included, variants applied."""
    known = discover()
    for variant in experiment.variants:
        base = _lookup(variant.base, known, "variants.base")
        known[variant.name] = base.variant(
            variant.name, variant.options, variant.engine, variant.headers
        )
    calibrated = experiment.calibration.contenders if experiment.calibration else ()
    null = {name: _lookup(name, known, "calibration.contenders") for name in calibrated}
    for service in experiment.external:
        if service.name in known:
            raise ContenderError(
                f"external.name = {service.name!r}: expected a name that no other contender has, "
                "found one that exists; choose another."
            )
        known[service.name] = service.contender()
    named = {name: _lookup(name, known, "contenders") for name in experiment.contenders} | null
    if experiment.reference not in experiment.contenders:
        raise ContenderError(
            f"reference = {experiment.reference!r}: expected one of the experiment's contenders "
            f"({', '.join(experiment.contenders)}); change reference or add it."
        )
    if experiment.aa_test and experiment.aa_test not in experiment.contenders:
        raise ContenderError(
            f"aa_test = {experiment.aa_test!r}: expected one of the experiment's "
            f"contenders ({', '.join(experiment.contenders)}); change aa_test or add it."
        )
    return named


def _lookup(name: str, known: Mapping[str, Contender], where: str) -> Contender:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the contenders are: {', '.join(known)}."
    raise ContenderError(f"{where} names {name!r}, which does not exist; {hint}")
