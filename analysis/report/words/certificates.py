"""What each check of a certificate found, as a sentence."""

from collections.abc import Callable, Mapping

from analysis.report.words.numbers import count, exact_percent, number, percent, plain
from analysis.validity.certificate import Check
from analysis.validity.found import Found
from analysis.validity.reasons import Reason


def found(check: Check) -> str:
    """What a check measured and what was expected, or why it does not apply."""
    if check.found is Found.TRIAL_FAILED:
        return failure(check.text)
    figures = {"measured": check.measured, "bound": check.bound, **check.numbers}
    known = {name: _Figure(value) for name, value in figures.items() if value is not None}
    sentence = _SENTENCES[check.found].format_map(_OrUnknown(known | {"text": check.text}))
    example = f"; {check.text}" if check.found is Found.ANSWERS_COMPARED and check.text else ""
    return sentence + example


def name(reason: Reason) -> str:
    """What a check says where it passes: that the reason not to believe a trial does not hold."""
    return _NAMES[reason]


def failure(recorded: str | None) -> str:
    """Why a trial failed, as its record says."""
    return recorded or "no reason was recorded"


_NAMES: Mapping[Reason, str] = {
    Reason.NOT_READY: "started and answered",
    Reason.PARITY_BROKEN: "answers agree",
    Reason.NOT_MEASURED: "measured",
    Reason.SEND_LAG: "sent on time",
    Reason.CLIENT_NEAR_CEILING: "client below half its ceiling",
    Reason.COUNTS_DISAGREE: "counts agree",
    Reason.CLIENT_LIMIT: "client within its limits",
    Reason.ARRIVALS_NOT_REPLAYED: "arrivals as scheduled",
    Reason.LITTLES_LAW_VIOLATED: "Little's law holds",
    Reason.DRIFT: "latency steady",
    Reason.CLOCKS_THROTTLED: "GPU clocks kept",
    Reason.MACHINE_DISTURBED: "no other programs on the cores",
    Reason.CORES_STOLEN: "no other guests on the cores",
    Reason.IDLE_CONTENDERS_BUSY: "idle contenders stayed quiet",
    Reason.CORE_SLOWED: "core at its usual speed",
    Reason.SATURATED: "server kept up",
    Reason.ERRORS: "errors within the SLO",
    Reason.TOO_FEW_REQUESTS: "enough successes",
    Reason.SLICES_TOO_SHORT: "slices long enough for the queue",
    Reason.CLIENT_UNCALIBRATED: "client calibrated",
    Reason.MACHINE_NOISE: "A/A test within the margin",
}

_WRITTEN: Mapping[str, Callable[[float], str]] = {
    "": number,
    "count": lambda value: count(round(value)),
    "percent": percent,
    "set": plain,
    "set percent": exact_percent,
}


class _Figure(float):
    """A number that a sentence may write as {name}, {name:count}, {name:percent} and so on; `set`:
    without invented digits."""

    def __format__(self, how: str) -> str:
        return _WRITTEN[how](self) if how in _WRITTEN else super().__format__(how)


class _Unknown:
    def __format__(self, how: str) -> str:
        return "unknown"


class _OrUnknown(dict[str, object]):
    def __missing__(self, name: str) -> _Unknown:
        return _Unknown()


_SENTENCES: Mapping[Found, str] = {
    Found.CANARY_ANSWERED: "a canary inference was answered {measured:.1f} s after the start",
    Found.CANARY_UNTIMED: "a canary inference was answered",
    Found.NEVER_COMPARED: "answers were never compared",
    Found.ANSWERS_COMPARED: "{measured:count} of {n_checked:count} answers differ",
    Found.RATE_NOT_HELD: "{measured:count} requests scheduled, {n_expected:count} expected (more "
    "or less {slack:count})",
    Found.REQUESTS_REPLAYED: "{n_wrong:count} of {n_rows:count} requests lost, doubled or never "
    "sent",
    Found.SEND_LAG: "P99 send lag {measured} ms, bound {bound:set} ms",
    Found.SHARE_OF_CEILING: "{measured} rps offered, ceiling {ceiling_rps} rps",
    Found.CLIENT_LIMIT: "{measured:count} requests failed because the client's machine ran out of "
    "a resource",
    Found.SUCCESSES_COUNTED: "server counts {n_by_server:count} successes, client "
    "{n_by_client:count}",
    Found.IMPOSSIBLE_TIMES: "{measured:count} requests sent before their time or done before sent",
    Found.REQUESTS_IN_SYSTEM: "{in_system:.2f} requests in the system, arrival rate times latency "
    "{rate_times_latency:.2f}",
    Found.LATENCY_BY_HALVES: "median latency in the second half {measured:.2f} times that in the "
    "first, trend p = {p_value:.2g}",
    Found.CLOCKS_LOWERED: "clocks lowered in {measured:percent} of the samples, bound "
    "{bound:set percent}",
    Found.CORES_SHARED: "share of the cores used by others: server {server_share:percent}, load "
    "generator {load_share:percent}; bound {bound:set percent}",
    Found.CORES_STOLEN: "share of the cores taken for other guests: server {server_share:percent}, "
    "load generator {load_share:percent}; bound {bound:set percent}",
    Found.IDLE_CONTENDERS: "contenders without load used {measured:percent} of the server's cores, "
    "most of it {text}; bound {bound:set percent}",
    Found.CORE_SPEED: "a fixed piece of work took {probe_ms:.1f} ms before the trial, "
    "{measured:.2f} times the run's median of {usual_probe_ms:.1f} ms; bound {bound:set} times",
    Found.RATE_ANSWERED: "{measured} rps answered, {offered_rps} rps offered",
    Found.REQUESTS_FAILED: "{n_failed:count} of {n_offered:count} requests failed, the SLO allows "
    "{bound:set percent}",
    Found.CEILING: "ceiling {measured} rps for {text}",
    Found.NO_CEILING: "no calibration for {text}",
    Found.SUCCESSES_NEEDED: "{measured:count} successes, P{percentile:g} needs {bound:count}",
    Found.SLICES: "{measured:count} slices, at least {bound:count} needed",
    Found.QUEUE_MEMORIES: "a slice lasts {measured:.1f} times as long as the queue remembers, "
    "{bound:set} needed",
    Found.P99_SPREAD: "P99 of {text} in the A/A test differs by {measured:percent}, bound "
    "{bound:set percent}",
    Found.NOT_A_MODEL: "a calibration server runs no model",
    Found.CLOSED_LOOP: "a closed loop has no arrival rate",
    Found.NOTHING_DUE: "no request was scheduled in the steady state",
    Found.NOTHING_ANSWERED: "nothing was answered",
    Found.CEILING_UNKNOWN: "the ceiling was not measured",
    Found.SUCCESSES_NOT_COUNTED: "the server does not count its answers",
    Found.LOAD_VARIES: "the load itself varies",
    Found.SATURATED: "latency rises by itself where a server does not keep up",
    Found.TOO_FEW_SUCCESSES: "too few successes to tell",
    Found.NO_GPU_CLOCKS: "no GPU reports its clocks",
    Found.CORES_NOT_RECORDED: "the use of the cores by others was not recorded",
    Found.STEAL_NOT_RECORDED: "what the hypervisor took was not recorded",
    Found.NONE_IDLE: "no contender was up without load, or its use of the cores was not recorded",
    Found.SPEED_NOT_JUDGED: "the speed of the server's core was not probed, or too seldom before",
    Found.FAILED_BY_CLIENT: "requests failed on the client's side",
    Found.IS_CALIBRATION: "this is the calibration",
    Found.NO_AA_TEST: "the experiment has no A/A test",
    Found.AA_TEST_INVALID: "the A/A test of {text} has no valid pair of trials",
    Found.P99_NOT_KNOWN_TWICE: "the A/A test of {text} has no level with a P99 on both sides",
}
