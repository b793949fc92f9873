"""Which runs may be set side by side: those that asked the same of the same contenders."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from analysis.agreement.findings import Findings
from analysis.read.contenders import ADDED_OPTIONS, ContenderFacts
from loadtests.records.manifest import Manifest
from loadtests.records.stored import RecordError


class AgreementError(RecordError):
    """Runs that cannot be set side by side."""


_SHARED: Mapping[str, Callable[[Manifest], str]] = {
    "model": lambda m: f"{m.model.name} with digest {m.model.digest}",
    "texts": lambda m: f"{m.traffic.source} with digest {m.traffic.digest}",
    "SLO": lambda m: str(m.experiment.slo),
    "least difference": lambda m: f"{m.experiment.min_difference:g}",
    "arrivals": lambda m: m.experiment.load.arrivals.model_dump_json(),
}
"""What all must have in common, and how a reader recognises it."""

_DECLARED = ("server", "protocol", "engine", "setting", "form", "options")
"""What makes a contender of one name the same contender."""


def check_comparable(runs: Sequence[Findings]) -> None:
    """AgreementError where the runs cannot be compared: the same run twice, one that is not
    finished, another model, SLO or contender."""
    if len(runs) < 2:
        raise AgreementError(f"expected two runs or more, found {len(runs)}: name another.")
    for run in runs:
        if run.manifest.finished_at is None:
            raise AgreementError(
                f"expected finished runs, found {run.run_id} unfinished: continue it with "
                "`study run --resume`."
            )
    for one, other in combinations(runs, 2):
        if one.run_id == other.run_id:
            raise AgreementError(
                f"expected different runs, found {one.run_id} twice: name another."
            )
        _check_shared(one, other)
        _check_contenders(one, other)


def _check_shared(one: Findings, other: Findings) -> None:
    for what, value in _SHARED.items():
        first, second = value(one.manifest), value(other.manifest)
        if first != second:
            raise _different(f"the same {what}", first, one, second, other)


def _check_contenders(one: Findings, other: Findings) -> None:
    names = [name for name in one.contenders if name in other.contenders]
    if len(names) < 2:
        raise _different(
            "two contenders in common", ", ".join(one.contenders), one, _names(other), other
        )
    for name in names:
        first, second = (_declared(run.contenders[name]) for run in (one, other))
        for field in _DECLARED:
            if first[field] != second[field]:
                what = f"the same {field} of {name}"
                raise _different(what, first[field], one, second[field], other)


def _declared(facts: ContenderFacts) -> dict[str, str]:
    told = {k: v for k, v in facts.options.items() if ADDED_OPTIONS.get(k) != v}
    options = " ".join(f"{key}={value}" for key, value in sorted(told.items()))
    return {name: str(getattr(facts, name)) for name in _DECLARED} | {"options": options}


def _names(run: Findings) -> str:
    return ", ".join(run.contenders)


def _different(
    what: str, first: str, one: Findings, second: str, other: Findings
) -> AgreementError:
    return AgreementError(
        f"expected {what}, found {first or 'none'} in {one.run_id} and {second or 'none'} in "
        f"{other.run_id}: such runs cannot agree; name runs that differ in nothing but time, "
        "machine, levels and further contenders."
    )
