"""The answer and the numbers in README.md: rendered from a run, so that none is typed by hand.

`python -m analysis.report.readme RUN README.md` writes each between its two markers; a test
compares.
"""

import sys
from pathlib import Path

from analysis.compare.intervals import Metric
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.report.tables import over_reference
from analysis.report.words import answer, decision
from analysis.report.words.codes import said
from analysis.report.words.numbers import count, percent, rate, verdict
from analysis.report.words.run import rounds
from loadtests.records.markdown import code, inline, table, with_section

ANSWER = "answer"
NUMBERS = "numbers"


def first_answer(summary: Summary) -> str:
    """What to use at which rate, why, what happens beyond capacity and how sure that is."""
    told = [f"- {inline(text)}" for text in answer.sentences(summary)]
    return "\n\n".join([_conditions(summary), "\n".join(told)])


def numbers(summary: Summary, run_path: str) -> str:
    """The choice by rate, what each contender sustains and where the gain comes from."""
    return "\n\n".join(
        [
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
            "What each contender sustains. Certified at: the SLO is met at this rate with 95 % "
            "confidence; beside it the requests measured there. Capacity: the rate at which one "
            "slice of five misses the SLO, estimated from all slices, with its 95 % interval. The "
            "last column is the ratio of two capacities.",
            table(*_capacity_table(summary)),
            "Where the gain comes from, one change at a time: ratios with 95 % intervals; of "
            "latency and CPU at the rate in the last column.",
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
        "requests there",
        "capacity, rps",
        f"over {inline(experiment.reference)}",
    ]
    return header, [
        [
            code(c.contender),
            f"**{rate(c.certified_rps)}**" if c.certified_rps else "not certified",
            count(c.n_requests),
            decision.capacity_estimate(c),
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
    summary = summarise(load_run(run_dir))
    page = with_section(readme.read_text(encoding="utf-8"), ANSWER, first_answer(summary))
    page = with_section(page, NUMBERS, numbers(summary, run_dir.as_posix()))
    readme.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(
            "expected RUN and README.md: python -m analysis.report.readme results/RUN README.md"
        )
    main(Path(sys.argv[1]), Path(sys.argv[2]))
