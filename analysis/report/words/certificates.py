"""What each check of a certificate found, as a sentence."""

from collections.abc import Callable, Mapping

from analysis.report.words.numbers import count, exact_percent, number, percent, plain
from analysis.validity.certificate import Check
from analysis.validity.found import Found


def found(check: Check) -> str:
    """What a check measured and what was expected, or why it does not apply."""
    return _SENTENCES[check.found](check)


def failure(recorded: str | None) -> str:
    """Why a trial failed, as its record says."""
    return recorded or "no reason was recorded"


def _n(value: float | None) -> str:
    return count(None if value is None else round(value))


def _canary(check: Check) -> str:
    took = "" if check.measured is None else f" {check.measured:.1f} s after the start"
    return f"a canary inference was answered{took}"


def _answers(check: Check) -> str:
    example = f"; {check.text}" if check.text else ""
    return f"{_n(check.measured)} of {_n(check.numbers['n_checked'])} answers differ{example}"


def _rate_not_held(check: Check) -> str:
    expected, slack = check.numbers["n_expected"], check.numbers["slack"]
    return (
        f"{_n(check.measured)} requests scheduled, {_n(expected)} expected (more or less "
        f"{_n(slack)})"
    )


def _cores_shared(check: Check) -> str:
    server, load = (
        percent(share) if (share := check.numbers.get(f"{side}_share")) is not None else "unknown"
        for side in ("server", "load")
    )
    return (
        f"share of the cores used by others: server {server}, load generator {load}; bound "
        f"{exact_percent(check.bound or 0.0)}"
    )


def _little(check: Check) -> str:
    counted, law = check.numbers["in_system"], check.numbers["rate_times_latency"]
    return f"{counted:.2f} requests in the system, arrival rate times latency {law:.2f}"


def _halves(check: Check) -> str:
    return (
        f"median latency in the second half {check.measured:.2f} times that in the first, "
        f"trend p = {check.numbers['p_value']:.2g}"
    )


def _failed(check: Check) -> str:
    failed, offered = check.numbers["n_failed"], check.numbers["n_offered"]
    allowed = exact_percent(check.bound or 0.0)
    return f"{_n(failed)} of {_n(offered)} requests failed, the SLO allows {allowed}"


def _spread(check: Check) -> str:
    allowed = exact_percent(check.bound or 0.0)
    return (
        f"P99 of {check.text} in the A/A test differs by {percent(check.measured)}, bound {allowed}"
    )


def _says(sentence: str) -> Callable[[Check], str]:
    return lambda check: sentence


_SENTENCES: Mapping[Found, Callable[[Check], str]] = {
    Found.TRIAL_FAILED: lambda c: failure(c.text),
    Found.CANARY_ANSWERED: _canary,
    Found.NEVER_COMPARED: _says("answers were never compared"),
    Found.ANSWERS_COMPARED: _answers,
    Found.RATE_NOT_HELD: _rate_not_held,
    Found.REQUESTS_REPLAYED: lambda c: (
        f"{_n(c.numbers['n_wrong'])} of {_n(c.numbers['n_rows'])} requests lost, doubled or never "
        "sent"
    ),
    Found.SEND_LAG: lambda c: f"P99 send lag {number(c.measured)} ms, bound {plain(c.bound)} ms",
    Found.SHARE_OF_CEILING: lambda c: (
        f"{number(c.measured)} rps offered, ceiling {number(c.numbers['ceiling_rps'])} rps"
    ),
    Found.CLIENT_LIMIT: lambda c: (
        f"{_n(c.measured)} requests failed because the client's machine ran out of a resource"
    ),
    Found.SUCCESSES_COUNTED: lambda c: (
        f"server counts {_n(c.numbers['n_by_server'])} successes, client "
        f"{_n(c.numbers['n_by_client'])}"
    ),
    Found.IMPOSSIBLE_TIMES: lambda c: (
        f"{_n(c.measured)} requests sent before their time or done before sent"
    ),
    Found.REQUESTS_IN_SYSTEM: _little,
    Found.LATENCY_BY_HALVES: _halves,
    Found.CLOCKS_LOWERED: lambda c: f"clocks lowered in {percent(c.measured)} of the samples",
    Found.CORES_SHARED: _cores_shared,
    Found.RATE_ANSWERED: lambda c: (
        f"{number(c.measured)} rps answered, {number(c.numbers['offered_rps'])} rps offered"
    ),
    Found.REQUESTS_FAILED: _failed,
    Found.CEILING: lambda c: f"ceiling {number(c.measured)} rps for {c.text}",
    Found.NO_CEILING: lambda c: f"no calibration for {c.text}",
    Found.SUCCESSES_NEEDED: lambda c: (
        f"{_n(c.measured)} successes, P{c.numbers['percentile']:g} needs {_n(c.bound)}"
    ),
    Found.REPEATS: lambda c: f"{_n(c.measured)} of {_n(c.bound)} repeats",
    Found.P99_SPREAD: _spread,
    Found.NOT_A_MODEL: _says("a calibration server runs no model"),
    Found.CLOSED_LOOP: _says("a closed loop has no arrival rate"),
    Found.NOTHING_DUE: _says("no request was scheduled in the steady state"),
    Found.NOTHING_ANSWERED: _says("nothing was answered"),
    Found.CEILING_UNKNOWN: _says("the ceiling was not measured"),
    Found.SUCCESSES_NOT_COUNTED: _says("the server does not count its answers"),
    Found.LOAD_VARIES: _says("the load itself varies"),
    Found.SATURATED: _says("latency rises by itself where a server does not keep up"),
    Found.TOO_FEW_SUCCESSES: _says("too few successes to tell"),
    Found.NO_GPU_CLOCKS: _says("no GPU reports its clocks"),
    Found.CORES_NOT_RECORDED: _says("the use of the cores by others was not recorded"),
    Found.FAILED_BY_CLIENT: _says("requests failed on the client's side"),
    Found.IS_CALIBRATION: _says("this is the calibration"),
    Found.NO_AA_TEST: _says("the experiment has no A/A test"),
    Found.AA_TEST_INVALID: lambda c: f"the A/A test of {c.text} has no valid pair of trials",
    Found.P99_NOT_KNOWN_TWICE: lambda c: (
        f"the A/A test of {c.text} has no level with a P99 on both sides"
    ),
}
