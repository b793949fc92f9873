"""Choices and rules of thumb by device, in words."""

from collections.abc import Callable, Mapping, Sequence

from analysis.predict.by_device import DeviceChoice, DeviceStudy, Replica, Varied
from analysis.report.words.codes import listed
from analysis.report.words.numbers import number, percent, plain, times
from loadtests.records.markdown import code

HARDLY = 1.2
"""Most that "hardly slower" may be."""

TEN_PERCENT = 1.1
"""Least gain in capacity that counts as "for throughput"."""

LITTLE, MUCH = 0.4, 0.6
"""Share of the device's best rate that FastAPI uses at most, and Triton at least."""

NEARLY_LINEAR = 0.9
"""Least share of n times the capacity that n instances must give to scale linearly."""


def device(study: DeviceStudy) -> str:
    """What it is, and how many cores the server has."""
    cores = "1 core" if study.cores == 1 else f"{study.cores} cores"
    return f"{study.device}; server on {cores}"


def choice(found: DeviceChoice, percentile: float) -> str:
    """2 x `triton`, P99 8.1 ms, device busy 34 %; predicted."""
    if found.contender is None:
        return "nobody meets the SLO"
    many = f"{found.replicas} × " if found.replicas and found.replicas > 1 else ""
    parts = [f"{many}{code(found.contender)}"]
    if found.latency_ms is not None:
        parts.append(f"P{percentile:g} {number(found.latency_ms)} ms")
    if found.device_busy is not None:
        parts.append(f"busy {percent(found.device_busy)}")
    if found.device_share_of_best is not None:
        parts.append(f"{percent(found.device_share_of_best)} of its best")
    return f"{', '.join(parts)} ({'measured' if found.measured else 'predicted'})"


def also(found: DeviceChoice) -> str:
    """The others that need as few."""
    return listed([code(name) for name in found.also]) if found.also else "none"


def below_100(study: DeviceStudy) -> tuple[str, str]:
    crossing, alone = study.crossing, code(study.alone.contender)
    if crossing is None:
        return "does not hold", f"{alone} meets the SLO at no rate"
    if crossing.rate_rps is None:
        return "does not hold", f"{alone} needs as few replicas as any other up to 10,000 rps"
    low = crossing.low_rps or 0.0
    high = float("inf") if crossing.high_rps is None else crossing.high_rps
    between = f"{number(low)} to {number(crossing.high_rps)}" if crossing.high_rps else number(low)
    found = (
        f"{alone} needs more replicas than {code(crossing.other)} from "
        f"{number(crossing.rate_rps)} rps on ({between})"
    )
    return ("holds" if low <= 100 <= high else "does not hold"), found


def many_times(study: DeviceStudy) -> tuple[str, str]:
    alone, batched = study.alone.capacity_rps, study.batched.capacity_rps
    if not alone or not batched:
        return "not testable", "one of the two meets the SLO at no rate"
    ratio = batched / alone
    found = f"{number(batched)} over {number(alone)} rps within the SLO: {times(ratio)}"
    if ratio < 5:
        return "does not hold", found
    return ("holds" if ratio <= 20 else "holds, and more"), found


def single_request(study: DeviceStudy) -> tuple[str, str]:
    ratio = study.batched.light_p50_ms / study.alone.light_p50_ms
    found = (
        f"P50 nearly alone {number(study.batched.light_p50_ms)} against "
        f"{number(study.alone.light_p50_ms)} ms: {times(ratio)}"
    )
    return ("holds" if ratio <= HARDLY else "does not hold"), found


def queue_delay(study: DeviceStudy) -> tuple[str, str]:
    none = next(each for each in study.delays if each.value == 0)
    gains = [
        each.capacity_rps / none.capacity_rps
        for each in study.delays
        if each.value >= 5 and each.capacity_rps and none.capacity_rps
    ]
    found = "; ".join(
        f"{plain(each.value)} ms: {_capacity(each)}, P50 {number(each.p50_ms)} ms"
        for each in study.delays
    )
    return ("holds" if gains and max(gains) >= TEN_PERCENT else "does not hold"), found


def utilisation(study: DeviceStudy) -> tuple[str, str]:
    def used(replica: Replica) -> str:
        return (
            f"{code(replica.contender)} {_share(replica.device_busy)} of the time, "
            f"{_share(replica.device_share_of_best)} of the best rate"
        )

    alone, batched = study.alone.device_share_of_best, study.batched.device_share_of_best
    found = f"at capacity: {used(study.alone)}; {used(study.batched)}"
    if alone is None or batched is None:
        return "not testable", found
    return ("holds" if alone <= LITTLE and batched >= MUCH else "does not hold"), found


def instances(study: DeviceStudy) -> tuple[str, str]:
    one = next(each for each in study.instances if each.value == 1)
    found = "; ".join(f"{plain(each.value)}: {_capacity(each)}" for each in study.instances)
    if not one.capacity_rps:
        return "not testable", found
    linear = all(
        (each.capacity_rps or 0.0) >= NEARLY_LINEAR * each.value * one.capacity_rps
        for each in study.instances
    )
    return ("holds" if linear else "does not hold"), found


RULES: Mapping[str, Callable[[DeviceStudy], tuple[str, str]]] = {
    "below 100 requests/s FastAPI, above Triton": below_100,
    "Triton takes 5 to 10 times, up to 20 times": many_times,
    "a single request is hardly slower": single_request,
    "a queue delay of 5 to 10 ms is for throughput": queue_delay,
    "the GPU is used to 10 to 30 % by FastAPI, to 60 to 90 % by Triton": utilisation,
    "more instances on one device scale linearly": instances,
}
"""Of each rule its verdict and what that rests on."""


def verdicts(studies: Sequence[DeviceStudy]) -> list[list[str]]:
    """A row a rule: the verdict on each device."""
    return [[rule, *(judge(study)[0] for study in studies)] for rule, judge in RULES.items()]


def _capacity(each: Varied) -> str:
    return "no rate" if each.capacity_rps is None else f"{number(each.capacity_rps)} rps"


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else percent(value)
