"""May a trial be used, and for what? A closed list of reasons, each with its effect.

A further reason is a member of Reason, its effect in EFFECTS, a check in analysis.validity.checks
and its words in analysis.report.words.certificates.
"""

from collections.abc import Mapping
from enum import StrEnum


class Effect(StrEnum):
    """What a reason does to a point."""

    EXCLUDES = "contender_out"
    INVALIDATES = "not_used"
    LIMITS = "limits_claims"


class Reason(StrEnum):
    NOT_READY = "not_ready"
    PARITY_BROKEN = "parity_broken"
    NOT_MEASURED = "not_measured"
    SEND_LAG = "send_lag"
    CLIENT_NEAR_CEILING = "client_near_ceiling"
    COUNTS_DISAGREE = "counts_disagree"
    CLIENT_LIMIT = "client_limit"
    ARRIVALS_NOT_REPLAYED = "arrivals_not_replayed"
    LITTLES_LAW_VIOLATED = "littles_law_violated"
    DRIFT = "drift"
    CLOCKS_THROTTLED = "clocks_throttled"
    MACHINE_DISTURBED = "machine_disturbed"
    CORES_STOLEN = "cores_stolen"
    IDLE_CONTENDERS_BUSY = "idle_contenders_busy"
    CORE_SLOWED = "core_slowed"
    SATURATED = "saturated"
    ERRORS = "errors"
    TOO_FEW_REQUESTS = "too_few_requests"
    SLICES_TOO_SHORT = "slices_too_short"
    CLIENT_UNCALIBRATED = "client_uncalibrated"
    MACHINE_NOISE = "machine_noise"

    @property
    def effect(self) -> Effect:
        return EFFECTS[self]

    @property
    def unusable(self) -> bool:
        return self.effect is not Effect.LIMITS


OF_THE_MACHINE = frozenset(
    {
        Reason.MACHINE_DISTURBED,
        Reason.CORES_STOLEN,
        Reason.IDLE_CONTENDERS_BUSY,
        Reason.CORE_SLOWED,
    }
)
"""What the machine did around a trial, judged when it was made (loadtests.records.disturbance)."""


CLIENTS_FAULT = OF_THE_MACHINE | frozenset(
    {
        Reason.NOT_MEASURED,
        Reason.SEND_LAG,
        Reason.CLIENT_NEAR_CEILING,
        Reason.CLIENT_LIMIT,
        Reason.ARRIVALS_NOT_REPLAYED,
        Reason.LITTLES_LAW_VIOLATED,
        Reason.CLOCKS_THROTTLED,
    }
)
"""Reasons that come about without the server's doing: a capacity may rest on the other trials of a
rate. To leave out a trial for any other reason would be to choose results."""


EFFECTS: Mapping[Reason, Effect] = {
    Reason.NOT_READY: Effect.EXCLUDES,
    Reason.PARITY_BROKEN: Effect.EXCLUDES,
    Reason.NOT_MEASURED: Effect.INVALIDATES,
    Reason.SEND_LAG: Effect.INVALIDATES,
    Reason.CLIENT_NEAR_CEILING: Effect.INVALIDATES,
    Reason.CLIENT_LIMIT: Effect.INVALIDATES,
    Reason.COUNTS_DISAGREE: Effect.INVALIDATES,
    Reason.ARRIVALS_NOT_REPLAYED: Effect.INVALIDATES,
    Reason.LITTLES_LAW_VIOLATED: Effect.INVALIDATES,
    Reason.DRIFT: Effect.INVALIDATES,
    Reason.CLOCKS_THROTTLED: Effect.INVALIDATES,
    Reason.MACHINE_DISTURBED: Effect.INVALIDATES,
    Reason.CORES_STOLEN: Effect.INVALIDATES,
    Reason.IDLE_CONTENDERS_BUSY: Effect.INVALIDATES,
    Reason.CORE_SLOWED: Effect.INVALIDATES,
    Reason.SATURATED: Effect.LIMITS,
    Reason.ERRORS: Effect.LIMITS,
    Reason.TOO_FEW_REQUESTS: Effect.LIMITS,
    Reason.SLICES_TOO_SHORT: Effect.LIMITS,
    Reason.CLIENT_UNCALIBRATED: Effect.LIMITS,
    Reason.MACHINE_NOISE: Effect.LIMITS,
}
