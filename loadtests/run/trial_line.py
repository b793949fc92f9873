"""What a finished trial showed, in a few words for the person who watches."""

from loadtests.measure.tools import RunContext
from loadtests.records.tables import read_requests
from loadtests.records.trials import TrialRecord
from loadtests.run.history import Trial, slo_met, slo_outcome, throughput_rps
from loadtests.spec.experiment import Slo


def trial_line(run: RunContext, record: TrialRecord) -> str:
    """Of a completed trial that was just saved."""
    rows = read_requests(run.folder / "trials" / record.trial_id)
    return seen_in_words((record, rows), run.experiment.slo)


def seen_in_words(trial: Trial, slo: Slo) -> str:
    """E.g. `146 rps: P99 88.1 ms, met`; in a closed loop what was answered, which no SLO judges."""
    record, rows = trial
    found = slo_outcome([trial], slo)
    latency = "no answer"
    if found.latency_ms is not None:
        latency = f"P{slo.percentile:g} {found.latency_ms:.3g} ms"
    failed = f", {found.error_ratio:.1%} failed" if found.error_ratio else ""
    if record.level.rate_rps is None:
        answered = f"{throughput_rps(rows, record):,.0f} answers/s"
        return f"{record.level.concurrency} callers: {answered}, {latency}{failed}"
    verdict = {True: "met", False: "missed", None: "not judged"}[slo_met([trial], slo)]
    saturated = ", saturated" if found.saturated else ""
    return f"{record.level.rate_rps:g} rps: {latency}{failed}{saturated}, {verdict}"
