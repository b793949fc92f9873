"""What a check run says: truth beside measurement, as values."""

from pydantic import Field

from analysis.compare.verdicts import Verdict
from analysis.read.value import Value
from analysis.validity.reasons import Reason

CAPACITY_STEP = 1.02
"""Ratio of the neighbouring rates among which the true capacity is looked for."""


class Latency(Value):
    """One simulated service at one rate: the same requests by its law and as measured."""

    contender: str = Field(description="Name of the contender.")
    law: str = Field(description="Its law.")
    rate_rps: float = Field(description="Arrival rate.")
    n_requests: int = Field(description="Successes compared.")
    n_slices: int = Field(description="Slices made.")
    n_certified: int = Field(
        description="Slices in which the machine kept up: late_ms within tolerance_ms. Only they "
        "are compared, where there are any."
    )
    truth_p50_ms: float = Field(description="P50 latency by the law, exact.")
    measured_p50_ms: float = Field(description="P50 latency as measured.")
    truth_p99_ms: float = Field(description="P99 latency by the law, exact.")
    measured_p99_ms: float = Field(description="P99 latency as measured.")
    tolerance_ms: float = Field(description="A tenth of the true P99 and 1 ms.")
    late_ms: float | None = Field(
        description="P99 send lag plus P99 lateness of the simulated replies, of the worst slice "
        "compared: what the machine may have added; null: not recorded."
    )

    @property
    def difference_ms(self) -> float:
        return self.measured_p99_ms - self.truth_p99_ms

    @property
    def within(self) -> bool:
        return abs(self.difference_ms) <= self.tolerance_ms

    @property
    def wrong(self) -> bool:
        """Beyond the tolerance although the machine kept up: an error of the harness."""
        return self.n_certified > 0 and not self.within


class ShortSlices(Value):
    """The slices of one law at one rate, against its long run."""

    contender: str = Field(description="Name of the contender.")
    law: str = Field(description="Its law.")
    load: float = Field(description="Arrival rate as a share of the highest that the law serves.")
    rate_rps: float = Field(description="Arrival rate.")
    n_slices: int = Field(description="Slices at this rate with arrivals of their own.")
    n_requests: int = Field(description="Their requests.")
    long_run_p99_ms: float = Field(description="P99 latency in the long run, by simulation.")
    slices_p99_ms: float = Field(description="P99 latency of the slices by the law, exact.")
    measured_p99_ms: float = Field(description="P99 latency of the slices as measured.")
    over_share: float = Field(
        description="Share of their requests above long_run_p99_ms, by the law: 1 % in the long "
        "run, less where slices flatter."
    )
    settled_low_share: float = Field(
        description="Least such share in 19 of 20 runs of as many slices of a queue that has "
        "settled, by simulation."
    )
    settled_high_share: float = Field(description="The largest.")
    certified: bool = Field(
        description="Whether they certify, by the study's own rule, that P99 lies within "
        "long_run_p99_ms: at exactly this bound they must not."
    )

    @property
    def flattered(self) -> bool:
        """Whether fewer requests are over than chance explains in a queue that has settled."""
        return self.over_share < self.settled_low_share


class Comparison(Value):
    """The verdict on one simulated service against the reference, in P99 latency."""

    contender: str = Field(description="Name of the contender.")
    reference: str = Field(description="What it is compared with.")
    true_ratio: float = Field(
        description="Ratio of the true P99s of the rounds in which both are usable."
    )
    expected: Verdict = Field(description="The verdict that the true ratio asks for.")
    ratio: float | None = Field(description="Ratio measured; null: none was stated.")
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None = Field(description="Upper end.")
    verdict: Verdict = Field(description="The verdict found.")

    @property
    def wrong(self) -> bool:
        """Whether something false was claimed; no claim is not a false one."""
        return self.verdict not in (self.expected, Verdict.NOT_ENOUGH_EVIDENCE)


class Detection(Value):
    """Whether what is planted in a simulated service was found, and nothing else."""

    contender: str = Field(description="Name of the contender.")
    law: str = Field(description="Its law, or that it has none.")
    rate_rps: float = Field(description="Arrival rate.")
    planted: Reason | None = Field(description="The reason that must be found; null: none.")
    n_trials: int = Field(
        description="Slices made: one, where what is found takes the contender out."
    )
    n_found: int = Field(description="Slices in which it was found.")
    false_alarms: list[Reason] = Field(
        description="Other reasons found that would be the service's own fault."
    )

    @property
    def wrong(self) -> bool:
        return self.planted is not None and self.n_found < self.n_trials


class CapacityCheck(Value):
    """The capacity found for a simulated service, and the one its law has."""

    contender: str = Field(description="Name of the contender.")
    law: str = Field(description="Its law.")
    slo: str = Field(description="The objective.")
    true_rps: float | None = Field(
        description="Highest Poisson rate that meets it in the long run, by simulation of the law; "
        "null: not even the lowest rate that was tried."
    )
    certified_rps: float | None = Field(description="Highest rate certified; null: none.")
    not_met_rps: float | None = Field(description="Lowest rate found not to meet it; null: none.")
    estimate_rps: float | None = Field(description="Capacity estimated; null: none was.")
    estimate_low_rps: float | None = Field(description="Lower end of its 95 % interval.")
    estimate_high_rps: float | None = Field(description="Upper end.")
    n_clear: int = Field(
        description="Rates that were judged and at which the truth of the same requests is further "
        "from the bound than the tolerance."
    )
    n_right: int = Field(description="Of those, the ones judged as the truth is.")

    @property
    def flattered(self) -> bool:
        """Whether a rate was certified that the law does not sustain."""
        return self.certified_rps is not None and self.certified_rps > CAPACITY_STEP * (
            self.true_rps or 0.0
        )

    @property
    def wrong(self) -> bool:
        return self.flattered or self.n_right < self.n_clear


class SelfCheck(Value):
    """A check run."""

    run_id: str = Field(description="Name of the run.")
    machine: str = Field(description="Where it was made.")
    latencies: list[Latency] = Field(description="Truth against measurement.")
    slices: list[ShortSlices] = Field(description="Slices against the long run.")
    comparisons: list[Comparison] = Field(description="Verdicts.")
    detections: list[Detection] = Field(description="Planted faults.")
    capacities: list[CapacityCheck] = Field(description="Capacities; empty: none was searched.")

    @property
    def failures(self) -> list[str]:
        """Contenders about which the harness said something false, and what."""
        return [
            *(f"latency of {row.contender}" for row in self.latencies if row.wrong),
            *(f"certificate of {row.contender}" for row in self.slices if row.certified),
            *(f"verdict on {row.contender}" for row in self.comparisons if row.wrong),
            *(f"fault of {row.contender}" for row in self.detections if row.wrong),
            *(f"capacity of {row.contender}" for row in self.capacities if row.wrong),
        ]
