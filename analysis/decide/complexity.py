"""How much of a contender an operator must keep healthy, by the weights of the person who
decides."""

from collections.abc import Mapping, Sequence

from analysis.read.contenders import ContenderFacts

BLOCKED_HEALTH = "blocked health endpoint"
"""Counted beside the components of a contender whose health endpoint waits for its model: an
orchestrator or load balancer that checks it takes a busy service for a dead one."""


def items(contender: ContenderFacts) -> list[str]:
    """What is counted of a contender: its named components, and a blocked health endpoint."""
    return [*contender.components, *([BLOCKED_HEALTH] if contender.blocks_health else [])]


def complexity(contender: ContenderFacts, weights: Mapping[str, float]) -> float:
    """The sum of the weights of its items: 1 each, unless weights has another."""
    unnamed = 0 if contender.components else contender.n_components
    return unnamed + sum(weights.get(item, 1.0) for item in items(contender))


def unknown_weights(
    contenders: Sequence[ContenderFacts], weights: Mapping[str, float]
) -> tuple[list[str], list[str]]:
    """The weights that no contender has an item for, and the items that there are."""
    known = sorted({item for contender in contenders for item in items(contender)})
    return [name for name in weights if name not in known], known
