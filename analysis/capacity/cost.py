"""What a million requests cost at the certified capacity of one replica."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point
from analysis.read.value import Value
from loadtests.records.experiment import Price


class Cost(Value):
    """One contender on one machine that is loaded, all the time, to its certified capacity.

    The hours range from those at the lowest rate not met to those at the certified rate; machine
    hours are 1e6 / (3600 x rate), the cost is hours times price.
    """

    contender: str = Field(description="Name of the contender.")
    certified_rps: float = Field(description="Certified capacity under the main SLO.")
    machine_hours_per_million: float = Field(
        description="Hours of the server's machine for a million requests at certified_rps."
    )
    machine_hours_low: float | None = Field(
        description="At the lowest rate that was found not to meet the SLO; null: none was found."
    )
    cost_per_million: float | None = Field(
        description="Price of these hours, in the price's currency; null: no price was given."
    )
    cost_low: float | None = Field(description="Price of machine_hours_low; null: as there.")
    server_cpu_s_per_1000_requests: float | None = Field(
        description="Server CPU seconds for 1,000 successes at certified_rps; null: not measured "
        "there."
    )


def price_given(server_per_hour: float | None, currency: str) -> Price | None:
    """A price from the command line; None where none was given."""
    if server_per_hour is None:
        return None
    return Price(
        server_per_hour=server_per_hour, currency=currency, source="given on the command line"
    )


def costs(
    capacities: Sequence[Capacity], points: Sequence[Point], price: Price | None
) -> list[Cost]:
    """The cost of every contender with a certified capacity; capacities: under the main SLO."""
    cpu_s: Mapping[tuple[str, float | None], float | None] = {
        (point.contender, point.rate_rps): point.metrics.server_cpu_s_per_1000_requests
        for point in points
        if point.metrics
    }
    return [
        _cost(c, c.certified_rps, cpu_s.get((c.contender, c.certified_rps)), price)
        for c in capacities
        if c.certified_rps
    ]


def _cost(
    capacity: Capacity, certified_rps: float, cpu_s: float | None, price: Price | None
) -> Cost:
    hours = 1e6 / (3600 * certified_rps)
    least_hours = 1e6 / (3600 * capacity.not_met_rps) if capacity.not_met_rps else None
    per_hour = price.server_per_hour if price else None
    return Cost(
        contender=capacity.contender,
        certified_rps=certified_rps,
        machine_hours_per_million=hours,
        machine_hours_low=least_hours,
        cost_per_million=None if per_hour is None else hours * per_hour,
        cost_low=None if per_hour is None or least_hours is None else least_hours * per_hour,
        server_cpu_s_per_1000_requests=cpu_s,
    )
