"""May a trial be used, and for what? A closed list of reasons, each with its cause and remedy.

A further reason is a member of Reason, its meaning in MEANINGS and a check in
analysis.validity.checks.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from analysis.read.value import Value


class Effect(StrEnum):
    """What a reason does to a point."""

    EXCLUDES = "contender is out"
    INVALIDATES = "not used"
    LIMITS = "limits claims"

    @property
    def unusable(self) -> bool:
        return self is not Effect.LIMITS


class Reason(StrEnum):
    NOT_READY = "not ready"
    PARITY_BROKEN = "parity broken"
    NOT_MEASURED = "not measured"
    SEND_LAG = "send lag"
    CLIENT_NEAR_CEILING = "client near ceiling"
    COUNTS_DISAGREE = "counts disagree"
    CLIENT_LIMIT = "client limit"
    ARRIVALS_NOT_REPLAYED = "arrivals not replayed"
    LITTLES_LAW_VIOLATED = "Little's law violated"
    DRIFT = "drift"
    CLOCKS_THROTTLED = "clocks throttled"
    MACHINE_DISTURBED = "machine disturbed"
    SATURATED = "saturated"
    ERRORS = "errors"
    TOO_FEW_REQUESTS = "too few requests"
    CLIENT_UNCALIBRATED = "client uncalibrated"
    MACHINE_NOISE = "machine noise"


CLIENTS_FAULT = frozenset(
    {
        Reason.NOT_MEASURED,
        Reason.SEND_LAG,
        Reason.CLIENT_NEAR_CEILING,
        Reason.CLIENT_LIMIT,
        Reason.ARRIVALS_NOT_REPLAYED,
        Reason.LITTLES_LAW_VIOLATED,
        Reason.CLOCKS_THROTTLED,
        Reason.MACHINE_DISTURBED,
    }
)
"""Reasons that come about without the server's doing: a capacity may rest on the other trials of a
rate. To leave out a trial for any other reason would be to choose results."""


class Meaning(Value):
    """What a reason says."""

    reason: Reason = Field(description="Name of the reason.")
    effect: Effect = Field(description="What it does to a point.")
    cause: str = Field(description="What happened.")
    remedy: str = Field(description="What to do about it.")


MEANINGS: Mapping[Reason, Meaning] = {
    reason: Meaning(reason=reason, effect=effect, cause=cause, remedy=remedy)
    for reason, effect, cause, remedy in (
        (
            Reason.NOT_READY,
            Effect.EXCLUDES,
            "The contender did not start, did not become ready or did not last the trial.",
            "Read the last lines of its log, mend what they name and run the experiment again.",
        ),
        (
            Reason.PARITY_BROKEN,
            Effect.EXCLUDES,
            "The contender's answers differ from the reference answers, or were never compared.",
            "Find the text given as example and mend the contender: its speed means nothing yet.",
        ),
        (
            Reason.NOT_MEASURED,
            Effect.INVALIDATES,
            "A planned repeat is missing from the run.",
            "Resume it: study run --resume RUN.",
        ),
        (
            Reason.SEND_LAG,
            Effect.INVALIDATES,
            "The load generator sent requests late, so that latency holds delay of its own.",
            "Give it a core of its own or more workers, quiet the machine, or lower the rate.",
        ),
        (
            Reason.CLIENT_NEAR_CEILING,
            Effect.INVALIDATES,
            "The arrival rate is above half of what the load generator itself can do.",
            "Add load generator workers or machines, or lower the rate.",
        ),
        (
            Reason.CLIENT_LIMIT,
            Effect.INVALIDATES,
            "The load generator's machine had no more descriptors, ports or memory, so that "
            "requests failed which the server never saw.",
            "Raise what `limits` of the manifest names (ulimit -Hn, "
            "net.ipv4.ip_local_port_range) or give memory, and run again.",
        ),
        (
            Reason.COUNTS_DISAGREE,
            Effect.INVALIDATES,
            "Server and client do not agree on the number of requests answered.",
            "Look for another client of the same server, a cache or a retry, and run again.",
        ),
        (
            Reason.ARRIVALS_NOT_REPLAYED,
            Effect.INVALIDATES,
            "The load generator did not send every request of the schedule exactly once, or the "
            "schedule did not hold the arrival rate.",
            "Read locust.log for a worker that stopped, add workers or memory, and run again.",
        ),
        (
            Reason.LITTLES_LAW_VIOLATED,
            Effect.INVALIDATES,
            "Requests in the system are not arrival rate times latency: rows were lost or "
            "doubled, or a clock jumped.",
            "Stop what sets the clock (NTP steps, suspend), and run again on a machine of its own.",
        ),
        (
            Reason.DRIFT,
            Effect.INVALIDATES,
            "Latency kept rising or falling within the steady state: there was none.",
            "Lengthen warm-up and steady state; if it stays, look for a leak or a growing queue.",
        ),
        (
            Reason.CLOCKS_THROTTLED,
            Effect.INVALIDATES,
            "Heat or its power supply made the GPU lower its clocks.",
            "Cool the machine, lock the clocks below the limit (nvidia-smi -lgc) and run again.",
        ),
        (
            Reason.MACHINE_DISTURBED,
            Effect.INVALIDATES,
            "Other programs, or other guests of the same host, used the cores of the server or of "
            "the load generator during the steady state.",
            "Stop them, keep them off these cores or take a machine of its own, and run again.",
        ),
        (
            Reason.SATURATED,
            Effect.LIMITS,
            "The server did not keep up with the arrival rate, so latency grew for as long as "
            "the trial lasted: the SLO is not met, and no P99 is stated.",
            "None is needed: this is a finding about the server.",
        ),
        (
            Reason.ERRORS,
            Effect.LIMITS,
            "More requests failed than the SLO allows: the SLO is not met.",
            "Read the server's log; at high rates this is a finding about the server.",
        ),
        (
            Reason.TOO_FEW_REQUESTS,
            Effect.LIMITS,
            "There are too few successes to state the SLO's percentile, if not to tell whether it "
            "is met.",
            "Lengthen the steady state, raise min_requests or add repeats.",
        ),
        (
            Reason.CLIENT_UNCALIBRATED,
            Effect.LIMITS,
            "The client's ceiling for this protocol was not measured.",
            "Add a calibration contender of this protocol to the experiment.",
        ),
        (
            Reason.MACHINE_NOISE,
            Effect.LIMITS,
            "One contender run against itself differs by more than the least difference that "
            "matters: smaller differences than this are not claimed.",
            "Quiet the machine, lengthen the steady state or add repeats.",
        ),
    )
}


class Finding(Value):
    """One reason found, with what was measured."""

    reason: Reason = Field(description="Name of the reason; validity_reasons explains it.")
    detail: str = Field(description="What was measured and what was expected.")

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.reason]
