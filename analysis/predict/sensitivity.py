"""How far a capacity moves with what is not known surely: lengths, queue delay, burstiness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.predict.load_curve import load_curve
from analysis.predict.values import Device, Front, Traffic
from loadtests.records.experiment import Slo

LENGTH_FACTORS = (0.5, 2.0)
DELAYS_S = (0.0, 0.001, 0.002, 0.005, 0.01)
GAP_CVS = (0.0, 2.0)


@dataclass(frozen=True)
class Sensitivity:
    """The capacity of one replica if one thing were different; None: the bound is not met."""

    what: str
    value: float
    capacity_rps: float | None


def sensitivities(
    front: Front, device: Device, traffic: Traffic, slo: Slo, n_requests: int = 20_000
) -> list[Sensitivity]:
    """The capacity as it is (what = "as it is"), with texts shorter and longer, with other queue
    delays where the front batches, and with arrivals that bunch less or more."""

    def capacity(changed: Front, under: Traffic) -> float | None:
        curve = load_curve(changed, device, under, n_requests)
        return curve.capacity_rps(slo)

    found = [Sensitivity("as it is", 1.0, capacity(front, traffic))]
    for factor in LENGTH_FACTORS:
        found.append(Sensitivity("text length", factor, capacity(front, longer(traffic, factor))))
    for delay_s in other_delays_s(front):
        delayed = replace(front, queue_delay_s=delay_s)
        found.append(Sensitivity("queue delay (s)", delay_s, capacity(delayed, traffic)))
    for gap_cv in GAP_CVS:
        bursty = replace(traffic, gap_cv=gap_cv)
        found.append(Sensitivity("variation of gaps", gap_cv, capacity(front, bursty)))
    return found


def longer(traffic: Traffic, factor: float) -> Traffic:
    """The same texts, each so much longer."""
    lengths = tuple(max(1, round(length * factor)) for length in traffic.lengths_tokens)
    return replace(traffic, lengths_tokens=lengths)


def other_delays_s(front: Front) -> Sequence[float]:
    """Queue delays to compare with a front's own; none where it does not wait for a batch."""
    if front.max_batch_size == 1 or front.passes != "apart":
        return ()
    return [delay_s for delay_s in DELAYS_S if delay_s != front.queue_delay_s]
