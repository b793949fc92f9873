"""The numbers in README.md: rendered from a run, so that none is typed by hand.

`python -m analysis.readme RUN README.md` writes them between the two markers; a test compares.
"""

import sys
from pathlib import Path

from analysis.load import load_run
from analysis.points import Point
from analysis.summary import Summary, summarise
from analysis.wording import number, percent, times

BEGIN, END = "<!-- numbers: begin -->", "<!-- numbers: end -->"


def numbers(summary: Summary, run_path: str) -> str:
    """The answer, the P99 table and the ladder of a run, as Markdown."""
    manifest = summary.manifest
    return "\n\n".join(
        [
            f"On {manifest.machine}; SLO: {manifest.experiment.slo}; {manifest.model.name} model; "
            f"Poisson arrivals, {manifest.experiment.repeats} repeats of each point:",
            _table(
                ["arrival rate", "choose", "because"],
                [
                    [choice.rates, f"**{choice.contender or choice.answer}**", choice.because]
                    for choice in summary.recommendation.choices
                ],
            ),
            f"![P99 latency against arrival rate]({run_path}/p99.png)",
            "P99 latency in ms (the bold ones meet the SLO), mean batch, and server CPU:",
            _table(*_p99_table(summary)),
            "Where the gain comes from, one change at a time (throughput at saturation):",
            _table(
                ["change", "from", "to", "throughput"],
                [
                    [
                        " and ".join(step.changes),
                        f"`{step.before}`",
                        f"`{step.after}`",
                        times(step.throughput_ratio, step.throughput_bound),
                    ]
                    for step in summary.ladder
                ],
            ),
        ]
    )


def _p99_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    points = [point for point in summary.points if point.rate_rps is not None]
    rates = sorted({point.rate_rps for point in points if point.rate_rps is not None})
    found = {(point.contender, point.rate_rps): point for point in points}
    rows = [
        [f"`{name}`", *(_cell(found.get((name, rate))) for rate in rates)]
        for name in summary.manifest.experiment.contenders
    ]
    return ["contender", *(f"{rate:g} rps" for rate in rates)], rows


def _cell(point: Point | None) -> str:
    if point is None or point.metrics is None or not point.usable:
        return "not used"
    beside = (
        f"batch {number(point.metrics.mean_batch)}, {percent(point.metrics.server_cpu_utilisation)}"
    )
    if point.saturated:
        return f"saturated ({beside})"
    p99 = number(point.stated_p99_ms)
    return f"{f'**{p99}**' if point.slo_verdict == 'met' else p99} ({beside})"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_numbers(readme: str, section: str) -> str:
    """readme with what stands between the markers replaced by section."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def main(run_dir: Path, readme: Path) -> None:
    section = numbers(summarise(load_run(run_dir)), run_dir.as_posix())
    readme.write_text(with_numbers(readme.read_text(encoding="utf-8"), section), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("expected RUN and README.md: python -m analysis.readme results/RUN README.md")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
