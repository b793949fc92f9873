"""What a check run says: truth beside measurement, as values."""

from pydantic import Field

from analysis.compare.verdicts import Verdict
from analysis.read.value import Value
from analysis.validity.reasons import Reason


class Latency(Value):
    """One simulated service at one rate: the same requests by its law and as measured."""

    contender: str = Field(description="Name of the contender.")
    law: str = Field(description="Its law.")
    rate_rps: float = Field(description="Arrival rate.")
    n_requests: int = Field(description="Successes compared.")
    n_repeats: int = Field(description="Repeats made.")
    n_certified: int = Field(
        description="Repeats in which the machine kept up: late_ms within tolerance_ms. Only they "
        "are compared, where there are any."
    )
    truth_p50_ms: float = Field(description="P50 latency by the law, exact.")
    measured_p50_ms: float = Field(description="P50 latency as measured.")
    truth_p99_ms: float = Field(description="P99 latency by the law, exact.")
    measured_p99_ms: float = Field(description="P99 latency as measured.")
    tolerance_ms: float = Field(description="A tenth of the true P99 and 1 ms.")
    late_ms: float | None = Field(
        description="P99 send lag plus P99 lateness of the simulated replies, of the worst repeat "
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


class Comparison(Value):
    """The verdict on one simulated service against the reference, in P99 latency."""

    contender: str = Field(description="Name of the contender.")
    reference: str = Field(description="What it is compared with.")
    true_ratio: float = Field(description="Ratio of the true P99s of all repeats.")
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
    n_trials: int = Field(description="Trials made.")
    n_found: int = Field(description="Trials in which it was found.")
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
    n_clear: int = Field(
        description="Rates that were judged and at which the truth of the same requests is further "
        "from the bound than the tolerance."
    )
    n_right: int = Field(description="Of those, the ones judged as the truth is.")

    @property
    def wrong(self) -> bool:
        return self.n_right < self.n_clear


class SelfCheck(Value):
    """A check run."""

    run_id: str = Field(description="Name of the run.")
    machine: str = Field(description="Where it was made.")
    latencies: list[Latency] = Field(description="Truth against measurement.")
    comparisons: list[Comparison] = Field(description="Verdicts.")
    detections: list[Detection] = Field(description="Planted faults.")
    capacities: list[CapacityCheck] = Field(description="Capacities; empty: none was searched.")

    @property
    def failures(self) -> list[str]:
        """Contenders about which the harness said something false, and what."""
        return [
            *(f"latency of {row.contender}" for row in self.latencies if row.wrong),
            *(f"verdict on {row.contender}" for row in self.comparisons if row.wrong),
            *(f"fault of {row.contender}" for row in self.detections if row.wrong),
            *(f"capacity of {row.contender}" for row in self.capacities if row.wrong),
        ]
