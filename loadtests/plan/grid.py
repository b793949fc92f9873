"""The rates at which contenders are measured: one grid for all of them. Pure."""

import math
from dataclasses import dataclass

from loadtests.spec.experiment import CapacitySpec


@dataclass(frozen=True)
class Grid:
    """The rates start_rps x resolution^k for lowest <= k <= highest: one grid for all contenders
    and SLOs, so that slices at equal rates serve all of them."""

    start_rps: float
    resolution: float
    lowest: int
    highest: int

    def rate_rps(self, index: int) -> float:
        """The k-th rate, rounded to the three digits that name it in ids, tables and figures."""
        if index == 0:
            return self.start_rps
        return float(f"{self.start_rps * self.resolution**index:.3g}")

    def rates_rps(self) -> list[float]:
        """All rates, ascending."""
        return [self.rate_rps(index) for index in range(self.lowest, self.highest + 1)]


def grid_of(spec: CapacitySpec, highest_valid_rps: float = math.inf) -> Grid:
    """The grid between min_rps and max_rps; rates at which the client itself would be near its
    ceiling are left out, since a trial there proves nothing. start_rps always stays."""

    def steps_to(rate_rps: float) -> float:
        return round(math.log(rate_rps / spec.start_rps, spec.resolution), 9)

    highest = math.floor(steps_to(min(spec.max_rps, highest_valid_rps)))
    lowest = math.ceil(steps_to(spec.min_rps))
    return Grid(spec.start_rps, spec.resolution, lowest, max(0, highest))
