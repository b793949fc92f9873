"""What is known of the GPU during the steady states: each figure and its source."""

from pydantic import Field

from analysis.read.run import Run
from analysis.read.value import Value


class GpuFigure(Value):
    """One figure that the telemetry of this run has, or that the driver refused."""

    column: str = Field(description="Its column of telemetry.parquet.")
    source: str | None = Field(
        description="Who reports it: nvml, nvml gpm (its counters on Hopper and newer), or the "
        "label of a simulated device; null: nobody."
    )
    refused: str | None = Field(
        default=None, description="Why the driver does not fill it, in its words; null: it does."
    )


COLUMNS = (
    *("gpu_busy_pct", "gpu_sm_active_ratio", "gpu_tensor_active_ratio", "gpu_memory_bytes"),
    *("gpu_power_w", "gpu_energy_j", "gpu_sm_clock_mhz", "gpu_throttle_reasons"),
)
"""In the order of the report."""


def gpu_figures(run: Run) -> list[GpuFigure]:
    """The figures that any trial has and those the driver refused; none without a GPU."""
    gpu = run.manifest.machine.gpu
    refused = gpu.refused if gpu else {}
    sources: dict[str, dict[str, None]] = {}  # sets that keep their order
    for trial in run.trials:
        for column, source in trial.record.telemetry_sources.items():
            if source:
                sources.setdefault(column, {})[source] = None
    return [
        GpuFigure(
            column=column,
            source="; ".join(sources.get(column, ())) or None,
            refused=None if column in sources else refused.get(column),
        )
        for column in COLUMNS
        if column in sources or column in refused
    ]
