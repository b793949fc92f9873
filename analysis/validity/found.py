"""What a check found: a closed list, from which the report makes a sentence each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Found(StrEnum):
    """What was compared; from NOT_A_MODEL on, why a check does not apply."""

    TRIAL_FAILED = "trial_failed"
    CANARY_ANSWERED = "canary_answered"
    CANARY_UNTIMED = "canary_untimed"
    NEVER_COMPARED = "never_compared"
    ANSWERS_COMPARED = "answers_compared"
    RATE_NOT_HELD = "rate_not_held"
    REQUESTS_REPLAYED = "requests_replayed"
    SEND_LAG = "send_lag"
    SHARE_OF_CEILING = "share_of_ceiling"
    CLIENT_LIMIT = "client_limit"
    SUCCESSES_COUNTED = "successes_counted"
    IMPOSSIBLE_TIMES = "impossible_times"
    REQUESTS_IN_SYSTEM = "requests_in_system"
    LATENCY_BY_HALVES = "latency_by_halves"
    CLOCKS_LOWERED = "clocks_lowered"
    CORES_SHARED = "cores_shared"
    CORES_STOLEN = "cores_stolen"
    IDLE_CONTENDERS = "idle_contenders"
    CORE_SPEED = "core_speed"
    RATE_ANSWERED = "rate_answered"
    REQUESTS_FAILED = "requests_failed"
    CEILING = "ceiling"
    NO_CEILING = "no_ceiling"
    SUCCESSES_NEEDED = "successes_needed"
    SLICES = "slices"
    QUEUE_MEMORIES = "queue_memories"
    P99_SPREAD = "p99_spread"
    NOT_A_MODEL = "not_a_model"
    CLOSED_LOOP = "closed_loop"
    NOTHING_DUE = "nothing_due"
    NOTHING_ANSWERED = "nothing_answered"
    CEILING_UNKNOWN = "ceiling_unknown"
    SUCCESSES_NOT_COUNTED = "successes_not_counted"
    LOAD_VARIES = "load_varies"
    SATURATED = "saturated"
    TOO_FEW_SUCCESSES = "too_few_successes"
    NO_GPU_CLOCKS = "no_gpu_clocks"
    CORES_NOT_RECORDED = "cores_not_recorded"
    STEAL_NOT_RECORDED = "steal_not_recorded"
    NONE_IDLE = "none_idle"
    SPEED_NOT_JUDGED = "speed_not_judged"
    FAILED_BY_CLIENT = "failed_by_client"
    IS_CALIBRATION = "is_calibration"
    NO_AA_TEST = "no_aa_test"
    AA_TEST_INVALID = "aa_test_invalid"
    P99_NOT_KNOWN_TWICE = "p99_not_known_twice"


@dataclass(frozen=True)
class CheckMeasurement:
    """What a check found: failed None means that it does not apply, and found why. numbers: what
    else its sentence names; text: what was recorded."""

    failed: bool | None
    found: Found
    measured: float | None = None
    bound: float | None = None
    unit: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    text: str | None = None


def inapplicable(found: Found) -> CheckMeasurement:
    return CheckMeasurement(None, found)
