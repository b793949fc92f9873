"""What a person asks of a run beyond what its experiment says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.decide.complexity import unknown_weights
from analysis.read.contenders import ContenderFacts
from loadtests.records.experiment import Price
from loadtests.records.stored import RecordError


class AskedError(RecordError):
    """What is asked cannot be answered from this run."""


@dataclass(frozen=True)
class Asked:
    """at_rate_rps: the arrival rate to decide for; None: the study's own rule chooses one.
    headroom: the share of its certified capacity that a replica may be planned with. weights: of
    items of operational complexity, by name."""

    price: Price | None = None
    at_rate_rps: float | None = None
    headroom: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def check(self, contenders: Sequence[ContenderFacts]) -> None:
        """AskedError where a weight names nothing that a contender has."""
        unknown, known = unknown_weights(contenders, self.weights)
        if unknown and not known:
            raise AskedError(
                f"expected components that {unknown[0]!r} may be one of, found that the records of "
                "this run do not name any: leave --weight out or run the experiment again."
            )
        if unknown:
            raise AskedError(
                f"expected a weight of one of {', '.join(known)}; found {unknown[0]!r}: correct "
                "--weight."
            )


NOTHING_ASKED = Asked()


def weights_given(options: Sequence[str]) -> dict[str, float]:
    """Weights from NAME=VALUE each; AskedError for anything else."""
    weights = {}
    for option in options:
        name, _, value = option.rpartition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            name = ""
        if not name.strip() or not 0 <= weights[name.strip()] < float("inf"):
            raise AskedError(
                f"expected NAME=VALUE with a value of 0 or more, found {option!r}: give "
                "for example --weight 'exported network=0.5'."
            )
    return weights
