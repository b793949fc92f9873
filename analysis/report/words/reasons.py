"""What each reason not to believe a trial means, and what to do about it."""

from collections.abc import Mapping

from analysis.validity.reasons import Reason

MEANINGS: Mapping[Reason, tuple[str, str]] = {
    Reason.NOT_READY: (
        "The contender did not start, did not become ready or did not last the trial.",
        "Read the last lines of its log, fix what they name and run the experiment again.",
    ),
    Reason.PARITY_BROKEN: (
        "The contender's answers differ from the reference answers, or were never compared.",
        "Look at the text given as example and fix the contender: its speed means nothing yet.",
    ),
    Reason.NOT_MEASURED: (
        "A planned slice is missing from the run.",
        "Resume it: study run --resume RUN.",
    ),
    Reason.SEND_LAG: (
        "The load generator sent requests late, so the latency includes its own delay.",
        "Give it a core of its own or more workers, quiet the machine, or lower the rate.",
    ),
    Reason.CLIENT_NEAR_CEILING: (
        "The arrival rate is above half of what the load generator itself can do.",
        "Add load generator workers or machines, or lower the rate.",
    ),
    Reason.CLIENT_LIMIT: (
        "The load generator's machine ran out of descriptors, ports or memory, so requests failed "
        "that the server never saw.",
        "Raise what `limits` in the manifest names (ulimit -Hn, net.ipv4.ip_local_port_range) or "
        "add memory, and run again.",
    ),
    Reason.COUNTS_DISAGREE: (
        "Server and client do not agree on the number of requests answered.",
        "Look for another client of the same server, a cache or a retry, and run again.",
    ),
    Reason.ARRIVALS_NOT_REPLAYED: (
        "The load generator did not send every request of the schedule exactly once, or the "
        "schedule did not hold the arrival rate.",
        "Add workers or memory, and run again.",
    ),
    Reason.LITTLES_LAW_VIOLATED: (
        "The requests in the system are not arrival rate times latency: rows were lost or doubled, "
        "or a clock jumped.",
        "Stop what sets the clock (NTP steps, suspend), and run again on a dedicated machine.",
    ),
    Reason.DRIFT: (
        "Latency kept rising or falling, so the steady state was not steady.",
        "Lengthen warm-up and steady state; if it stays, look for a leak or a growing queue.",
    ),
    Reason.CLOCKS_THROTTLED: (
        "Heat or the power supply made the GPU lower its clocks.",
        "Cool the machine, lock the clocks below the limit (nvidia-smi -lgc) and run again.",
    ),
    Reason.MACHINE_DISTURBED: (
        "Other programs used the cores of the server or of the load generator during the steady "
        "state.",
        "Stop them, keep them off these cores or use a dedicated machine, and run again.",
    ),
    Reason.CORES_STOLEN: (
        "The hypervisor gave the cores of the server or of the load generator to other guests.",
        "Use a dedicated host, or a quieter time, and run again.",
    ),
    Reason.IDLE_CONTENDERS_BUSY: (
        "Contenders that were up without load used the server's cores.",
        "Find which one polls (idle_cpu_s of the trial) and why, or run one at a time: study run "
        "--isolated.",
    ),
    Reason.CORE_SLOWED: (
        "Right before the trial the server's core was slower than it usually was in this run: it "
        "was shared, taken away or clocked down.",
        "Stop other programs, fix the clock (cpupower frequency-set) or use a dedicated machine, "
        "and run again.",
    ),
    Reason.SATURATED: (
        "The server did not keep up with the arrival rate, so latency grew for as long as the "
        "trial lasted: the SLO is not met, and no P99 is stated.",
        "Nothing to do: this is a finding about the server.",
    ),
    Reason.ERRORS: (
        "More requests failed than the SLO allows: the SLO is not met.",
        "Read the server's log; at high rates this is a finding about the server.",
    ),
    Reason.TOO_FEW_REQUESTS: (
        "There are too few successes to state the SLO's percentile. They may still be enough to "
        "tell whether the SLO is met.",
        "Give the run more time, so that it makes more rounds.",
    ),
    Reason.SLICES_TOO_SHORT: (
        "Each slice begins with an empty queue, and this queue needs nearly a slice to fill: the "
        "true P99 is at least what is stated.",
        "Nothing to do near saturation; lengthen the steady state to state it there.",
    ),
    Reason.CLIENT_UNCALIBRATED: (
        "The client's ceiling for this protocol was not measured.",
        "Add a calibration contender of this protocol to the experiment.",
    ),
    Reason.MACHINE_NOISE: (
        "In the A/A test a contender differs from itself by more than the least difference that "
        "matters, so smaller differences than this are not claimed.",
        "Quiet the machine, lengthen the steady state or give more time.",
    ),
}
"""Of each reason: the cause and the remedy."""


def meaning(reason: Reason) -> str:
    """What happened where a reason is found, and what to do about it."""
    return " ".join(MEANINGS[reason])
