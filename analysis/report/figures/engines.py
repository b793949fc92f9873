"""The engines alone by batch size, and each contender below its own engine."""

from collections.abc import Callable, Sequence
from statistics import fmean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.report.figures.rate_curves import panels
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, EndLabel, label_ends, look
from analysis.report.summary import Summary
from loadtests.records.engines import EngineFacts

_DASHES = ("-", "--", "-.", ":")


def engine_figure(summary: Summary) -> Figure | None:
    """Rate and time of a batch by batch size, one line an engine at the mean length of the texts;
    contenders at their mean batch. None where no engine was measured."""
    engines = [engine for engine in summary.engines if engine.available and engine.curve]
    if not engines:
        return None
    length = _length(summary, engines)
    with mpl.rc_context(SETTINGS):
        figure, [rates, times] = panels(
            [
                f"Rate by batch size, {length:.3g} tokens",
                "Time of a batch by batch size",
            ]
        )
        rates.set_ylabel("texts a second", fontsize=10)
        times.set_ylabel("time of a batch (ms)", fontsize=10)
        for axes in (rates, times):
            axes.set_xlabel("texts in a batch", fontsize=10)
        _lines(rates, engines, lambda e, batch: e.rate_at(batch, length))
        ends = _contenders(rates, summary)
        rates.autoscale_view()  # else labels are placed by limits that are not yet known
        label_ends(rates, ends)
        _lines(times, engines, lambda e, batch: _batch_ms(e, batch, length))
        # Times rise to the right: what is above them on the left is free.
        times.set_ylim(top=times.get_ylim()[1] * 1.35 ** len(engines))
        times.legend(loc="upper left", frameon=False, fontsize=9.5, handlelength=3)
    return figure


def _length(summary: Summary, engines: Sequence[EngineFacts]) -> float:
    lengths = [efficiency.mean_padded_tokens for efficiency in summary.engine_efficiencies]
    return fmean(lengths or [min(point.length_tokens for e in engines for point in e.curve)])


def _batch_ms(engine: EngineFacts, batch: float, length: float) -> float | None:
    rate_rps = engine.rate_at(batch, length)
    return 1000 * batch / rate_rps if rate_rps else None


def _lines(
    axes: Axes, engines: Sequence[EngineFacts], value: Callable[[EngineFacts, float], float | None]
) -> None:
    for i, engine in enumerate(engines):
        batches = sorted({point.batch for point in engine.curve})
        found = [value(engine, batch) for batch in batches]
        ys = [y for y in found if y is not None]
        dashes = _DASHES[i % len(_DASHES)]
        axes.plot(batches, ys, color=MUTED, ls=dashes, lw=1.6, label=engine.title)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def _contenders(axes: Axes, summary: Summary) -> list[EndLabel]:
    ends = []
    for efficiency in summary.engine_efficiencies:
        style, batch = look(efficiency.contender), efficiency.mean_batch
        axes.plot(
            [batch, batch],
            [efficiency.throughput_rps, efficiency.engine_rate_rps],
            color=style.color,
            lw=1,
        )
        axes.plot(
            batch,
            efficiency.throughput_rps,
            style.marker,
            color=style.color,
            markerfacecolor=style.color if efficiency.saturated_at else PAGE,
        )
        ends.append(
            EndLabel(
                efficiency.contender, batch, efficiency.throughput_rps, style.color, style.marker
            )
        )
    return ends
