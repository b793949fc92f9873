"""The numbers in README.md: rendered from a run, so that none is typed by hand.

`python -m analysis.report.readme RUN README.md` writes them between the two markers; a test
compares.
"""

import sys
from pathlib import Path

from analysis.compare.intervals import Metric
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.report.tables import over_reference
from analysis.report.words import decision
from analysis.report.words.codes import said
from analysis.report.words.numbers import count, percent, rate, verdict
from analysis.report.words.run import rounds
from loadtests.records.markdown import code, inline, table, with_section

SECTION = "numbers"


def numbers(summary: Summary, run_path: str) -> str:
    """The answer, what each contender sustains and where the gain comes from, as Markdown."""
    return "\n\n".join(
        [
            _conditions(summary),
            table(
                ["arrival rate", "choose", "because"],
                [
                    [
                        inline(decision.rates(choice)),
                        f"**{inline(decision.chosen(choice))}**",
                        inline(decision.because(choice, summary.recommendation.out)),
                    ]
                    for choice in summary.recommendation.choices
                ],
            ),
            f"![The arrival rate that each contender sustains]({run_path}/capacity.png)",
            "What each contender sustains. Certified: the SLO is met at this rate with 95 % "
            "confidence. Capacity: estimated between the rates tried, with its "
            "95 % interval.",
            table(*_capacity_table(summary)),
            "Where the gain comes from, one change at a time: ratios with 95 % intervals, those of "
            "latency and CPU at the rate named last.",
            table(*_ablation_table(summary)),
            _certified(summary),
        ]
    )


def _conditions(summary: Summary) -> str:
    manifest = summary.manifest
    experiment = manifest.experiment
    kind = experiment.load.arrivals.kind
    return inline(
        f"On {manifest.machine}; SLO: {decision.objective(experiment.slo)}; "
        f"{manifest.model.name} model; {kind.capitalize()} arrivals, {rounds(summary)}:"
    )


def _capacity_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    experiment = summary.manifest.experiment
    main = [capacity for capacity in summary.capacities if capacity.slo == experiment.slo]
    header = [
        "contender",
        "certified at",
        "capacity, rps",
        "requests",
        f"over {inline(experiment.reference)}",
    ]
    return header, [
        [
            code(c.contender),
            f"**{rate(c.certified_rps)}**" if c.certified_rps else "not certified",
            decision.capacity_estimate(c),
            count(c.n_requests),
            "reference"
            if c.contender == experiment.reference
            else verdict(over_reference(summary, c)),
        ]
        for c in main
    ]


def _ablation_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    heads = ["change", "from", "to", "capacity", "P50", "server CPU a request", "P99"]
    return heads, [
        [
            inline(" and ".join(map(said, step.changes))),
            code(step.before),
            code(step.after),
            verdict(step.capacity),
            verdict(step.of(Metric.P50)),
            verdict(step.of(Metric.CPU)),
            f"{verdict(step.of(Metric.P99))}{f', {rate(step.rate_rps)}' if step.rate_rps else ''}",
        ]
        for step in summary.ablation
    ]


def _certified(summary: Summary) -> str:
    n_usable = sum(trial.usable for trial in summary.trials)
    text = f"{n_usable} of {len(summary.trials)} trials passed every check that decides their use."
    floor = summary.noise_floor
    if floor is None:
        return text
    found = floor.largest().get(Metric.P99)
    if found is None:
        return f"{text} The A/A test of {code(floor.contender)} has no P99 on both sides."
    return f"{text} A/A test of {code(floor.contender)}: P99 differed by at most {percent(found)}."


def main(run_dir: Path, readme: Path) -> None:
    section = numbers(summarise(load_run(run_dir)), run_dir.as_posix())
    readme.write_text(
        with_section(readme.read_text(encoding="utf-8"), SECTION, section), encoding="utf-8"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(
            "expected RUN and README.md: python -m analysis.report.readme results/RUN README.md"
        )
    main(Path(sys.argv[1]), Path(sys.argv[2]))
