"""How long does the analysis of many rows take, and how much memory?

`python -m analysis.selfcheck.scale --rows 10000000` writes a run of simulated rows into a temporary
folder, analyses it by the path of every real run (load_run, summarise) in a process of its own, and
prints seconds and peak memory beside their budgets. Beyond one of them it ends with code 1.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.read.run import load_run
from analysis.report.summary import summarise
from loadtests.records.experiment import Experiment, LoadSpec, Slo
from loadtests.records.manifest import Git, Machine, Manifest, Model, Traffic
from loadtests.records.packing import pack
from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import (
    Level,
    ParityRecord,
    Phases,
    TrialRecord,
    write_json,
    write_trial,
)

BUDGET_ROWS, BUDGET_S, BUDGET_BYTES = 10_000_000, 30.0, 4 * 2**30

CONTENDERS = ("fastapi", "fastapi-tuned", "fastapi-onnx", "litserve", "triton", "hybrid")
RATES_RPS = (1000.0, 2000.0, 5000.0)
N_REPEATS = 3
SERVICE_S = 0.0001


@dataclass(frozen=True)
class Cost:
    """What one analysis took."""

    seconds: float
    cpu_s: float
    peak_bytes: int


def write_simulated_run(folder: Path, n_rows: int) -> None:
    """A run of about n_rows requests: one queue served in order, SERVICE_S on average."""
    (folder / "trials").mkdir(parents=True)
    write_json(folder / "manifest.json", _manifest(folder.name))
    trials = list(product(CONTENDERS, RATES_RPS, range(1, N_REPEATS + 1)))
    for order, (contender, rate_rps, repeat) in enumerate(trials):
        steady_s = n_rows / len(trials) / rate_rps
        level, rng = Level("open", rate_rps=rate_rps), np.random.default_rng(order)
        record = TrialRecord(
            trial_id=f"r{repeat}-{contender}-{level.label}",
            purpose="measurement",
            contender=_facts(contender),
            level=level,
            repeat=repeat,
            order=order,
            status="completed",
            phases=Phases(0.0, steady_s),
            cores={"server": (0,), "load": (1,)},
            parity=ParityRecord(checked=20, mismatches=0, max_confidence_gap=0.0),
        )
        trial_folder = folder / "trials" / record.trial_id
        trial_folder.mkdir()
        write_trial(trial_folder, record)
        requests = _requests(rate_rps, steady_s, rng)
        write_table(trial_folder / "requests.parquet", requests, REQUESTS_SCHEMA)
        t_s = np.arange(0.0, steady_s + 0.5, 0.25)
        telemetry = pd.DataFrame({"t_s": t_s, "server_cpu_s": t_s, "load_cpu_s": t_s / 2})
        write_table(trial_folder / "telemetry.parquet", telemetry, TELEMETRY_SCHEMA)
    pack(folder)


def analyse(folder: Path) -> Cost:
    """Analyses a run and says what it took; to be called in a process that did nothing else."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    summarise(load_run(folder))
    seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return Cost(seconds, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def over_budget(cost: Cost, n_rows: int) -> str | None:
    """What the analysis of n_rows took too much of; None: of nothing, or more rows than the
    budgets are for."""
    if n_rows > BUDGET_ROWS:
        return None
    if cost.seconds > BUDGET_S:
        return f"expected the analysis to take at most {BUDGET_S:g} s, found {cost.seconds:.1f} s."
    if cost.peak_bytes > BUDGET_BYTES:
        most, found = BUDGET_BYTES / 2**30, cost.peak_bytes / 2**30
        return f"expected the analysis to take at most {most:g} GiB, found {found:.2f} GiB."
    return None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=BUDGET_ROWS)
    n_rows = parser.parse_args(argv).rows
    cost = _cost_of_simulated(n_rows)
    print(f"simulated rows  {n_rows:,} (the budget is for {BUDGET_ROWS:,})")
    print(f"seconds         {cost.seconds:.1f} of {BUDGET_S:g} ({cost.cpu_s:.1f} of CPU time)")
    print(f"peak memory     {cost.peak_bytes / 2**30:.2f} of {BUDGET_BYTES / 2**30:g} GiB")
    sys.exit(over_budget(cost, n_rows))


def _cost_of_simulated(n_rows: int) -> Cost:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "simulated"
        write_simulated_run(folder, n_rows)
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawned) as process:
            return process.submit(analyse, folder).result()


def _requests(rate_rps: float, steady_s: float, rng: np.random.Generator) -> pd.DataFrame:
    n_rows = int(rate_rps * steady_s)
    # Poisson arrivals, given their number, are evenly spread and sorted.
    scheduled_s = np.sort(rng.uniform(0, steady_s, n_rows))
    sent_s = scheduled_s + 5e-5
    served_s = np.cumsum(rng.uniform(0.5, 1.5, n_rows) * SERVICE_S)
    begun_s = np.maximum.accumulate(sent_s[1:] - served_s[:-1])
    done_s = np.append(sent_s[:1] + served_s[:1], np.maximum(begun_s, sent_s[0]) + served_s[1:])
    index = np.arange(n_rows)
    return pd.DataFrame(
        {
            "request_index": index,
            "text_id": index % 1000,
            "n_tokens": 8 + index % 120,
            "phase": "steady",
            "scheduled_s": scheduled_s,
            "sent_s": sent_s,
            "done_s": done_s,
            "status": "ok",
            "worker": 0,
        }
    )


def _facts(contender: str) -> dict[str, object]:
    return {
        "name": contender,
        "server": "simulated",
        "protocol": "http-json",
        "engine": "none",
        "setting": "simulated",
        "batching": False,
        "components": 1,
        "form": "simulated",
        "summary": "Simulated rows: nothing was measured.",
    }


def _manifest(run_id: str) -> dict[str, object]:
    experiment = Experiment(
        name="simulated",
        description="Simulated rows: nothing was measured.",
        seed=1,
        rounds=N_REPEATS,
        reference=CONTENDERS[0],
        contenders=CONTENDERS,
        slo=Slo(percentile=99, latency_ms=100, max_error_ratio=0.001),
        load=LoadSpec(rates_rps=RATES_RPS, warmup_s=0, steady_s=1),
        calibration=None,
    )
    manifest = Manifest(
        run_id=run_id,
        created_at="",
        finished_at="",
        command="python -m analysis.selfcheck.scale",
        experiment=experiment,
        machine=Machine(
            platform="simulated",
            cpu_model="simulated",
            cpu_count=1,
            memory_bytes=0,
            gpu=None,
            python="simulated",
        ),
        versions={},
        git=Git(commit=None, dirty=None),
        model=Model(name="none", digest="", weights="none"),
        traffic=Traffic(source="simulated", digest="", n_texts=1000),
        cores={"server": [0], "load": [1]},
    )
    return {"schema_version": SCHEMA_VERSION} | manifest.model_dump()


if __name__ == "__main__":
    main()
