"""A check as Markdown tables."""

from analysis.compare.verdicts import Verdict
from analysis.report.words.codes import said
from analysis.selfcheck.findings import (
    CapacityCheck,
    Comparison,
    Detection,
    Latency,
    SelfCheck,
    ShortSlices,
)
from loadtests.records.markdown import table

HEADERS = {
    "Latency: by the law, exact for the same arrivals, and as measured. *Late* is what the machine "
    "may have added (P99 send lag plus P99 lateness of the simulated replies).": (
        "simulated law|rate|requests|true P50|measured P50|true P99|measured P99|difference|late|"
        "within 10 % + 1 ms"
    ),
    "Short slices: P99 by the law in the long run, of the slices by the law, and as measured. "
    "*Over* is the share of requests of the slices above the P99 of the long run, by the law: 1 % "
    "where nothing is flattered, and in 19 of 20 runs of as many slices of a settled queue as in "
    "brackets. *Certified* asks whether the slices certify just that P99, which they must not.": (
        "simulated law|load|rate|slices|requests|long-run P99|of the slices|measured|over|certified"
    ),
    "Verdicts on P99 latency:": (
        "simulated|against|true ratio|measured ratio|expected|found|right"
    ),
    "Planted faults:": "simulated|law|rate|planted|found in|other findings",
    "Capacity: in the long run by simulation of the law, and as found. *Judged rightly* counts the "
    "rates at which the truth is clear of the bound.": (
        "simulated|law|SLO|true capacity|certified|not met at|estimate|judged rightly"
    ),
}


def markdown(check: SelfCheck) -> str:
    """The tables of a check that have rows, each headed by what it shows."""
    tables = (
        [_latency(row) for row in check.latencies],
        [_slices(row) for row in check.slices],
        [_comparison(row) for row in check.comparisons],
        [_detection(row) for row in check.detections],
        [_capacity(row) for row in check.capacities],
    )
    lines = [f"Simulated services, measured in run `{check.run_id}` on {check.machine}."]
    for (title, header), rows in zip(HEADERS.items(), tables, strict=True):
        if rows:
            lines += ["", title, "", table(header.split("|"), rows)]
    return "\n".join(lines)


def _latency(row: Latency) -> list[str]:
    share = row.difference_ms / row.truth_p99_ms
    outcome = "yes" if row.within else "**no**"
    if not row.n_certified:
        outcome = "machine too late to tell"
    return [
        f"{row.contender}: {row.law}",
        f"{row.rate_rps:g}/s",
        f"{row.n_requests:,} ({row.n_certified} of {row.n_slices} slices)",
        *(f"{ms:.1f} ms" for ms in (row.truth_p50_ms, row.measured_p50_ms)),
        *(f"{ms:.1f} ms" for ms in (row.truth_p99_ms, row.measured_p99_ms)),
        f"{row.difference_ms:+.1f} ms ({share:+.1%})",
        "–" if row.late_ms is None else f"{row.late_ms:.1f} ms",
        outcome,
    ]


def _slices(row: ShortSlices) -> list[str]:
    over = f"{row.over_share:.2%}"
    settled = f"({row.settled_low_share:.2%} to {row.settled_high_share:.2%})"
    return [
        f"{row.contender}: {row.law}",
        f"{row.load:.0%}",
        f"{row.rate_rps:g}/s",
        f"{row.n_slices}",
        f"{row.n_requests:,}",
        *(f"{ms:.1f} ms" for ms in (row.long_run_p99_ms, row.slices_p99_ms, row.measured_p99_ms)),
        f"**{over}** {settled}" if row.flattered else f"{over} {settled}",
        "**yes**" if row.certified else "no",
    ]


def _comparison(row: Comparison) -> list[str]:
    interval = "–"
    if row.ratio is not None:
        interval = f"{row.ratio:.2f}"
    if row.low is not None and row.high is not None:
        interval += f" ({row.low:.2f} to {row.high:.2f})"
    outcome = "**no**" if row.wrong else "yes"
    if row.verdict is Verdict.NOT_ENOUGH_EVIDENCE and row.expected is not row.verdict:
        outcome = "no claim"
    return [
        row.contender,
        row.reference,
        f"{row.true_ratio:.2f}",
        interval,
        said(row.expected),
        said(row.verdict),
        outcome,
    ]


def _detection(row: Detection) -> list[str]:
    found = "–" if row.planted is None else f"{row.n_found} of {row.n_trials}"
    return [
        row.contender,
        row.law,
        f"{row.rate_rps:g}/s",
        said(row.planted or "nothing"),
        f"**{found}**" if row.wrong else found,
        ", ".join(map(said, row.false_alarms)) or "none",
    ]


def _capacity(row: CapacityCheck) -> list[str]:
    found = (row.true_rps, row.certified_rps, row.not_met_rps)
    estimate = "–"
    if row.estimate_rps is not None:
        estimate = (
            f"{row.estimate_rps:.4g} ({row.estimate_low_rps:.4g} to {row.estimate_high_rps:.4g})/s"
        )
    outcome = f"{row.n_right} of {row.n_clear}"
    return [
        row.contender,
        row.law,
        row.slo,
        *("–" if rate_rps is None else f"{rate_rps:.4g}/s" for rate_rps in found),
        estimate,
        f"**{outcome}**" if row.wrong else outcome,
    ]
