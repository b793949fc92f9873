"""Synthetic runs: invented trials of a simulated server, written through loadtests.records.trials.

Nothing here was measured. One queue served in order, service_s a request and an overhead_s that
does not occupy the server, has known answers and the shape of a run folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import (
    Level,
    MachineState,
    ParityRecord,
    Phases,
    Purpose,
    TrialRecord,
    write_json,
    write_trial,
)

WARMUP_S = 1.0
QUIET = MachineState(
    probe_ms=10.4,
    usual_probe_ms=10.3,
    steal_share={"server": 0.003, "load": 0.0},
    cpu_pressure_share=0.4,
    idle_cpu_share=0.014,
    idle_cpu_s={"idle-one": 0.03, "idle-two": 0.01},
)
"""A machine that did nothing else while a trial was made."""

LENGTHS = np.array([10, 20, 50, 100])
"""Tokens of the texts in turn: one in each length bucket."""


@dataclass(frozen=True)
class SyntheticContender:
    name: str
    service_s: float
    overhead_s: float = 0.001
    protocol: str = "http-json"
    components: int | list[str] = 2
    mean_batch: float = 1.0
    fails: str | None = None
    send_lag_s: float = 0.0001
    server: str = "synthetic"
    engine: str = "onnxruntime"
    setting: str = "tuned"
    options: dict[str, Any] = field(default_factory=dict)
    form: str | None = None
    telemetry: dict[str, Any] = field(default_factory=dict)


def facts(contender: SyntheticContender) -> dict[str, Any]:
    return {
        "name": contender.name,
        "server": contender.server,
        "protocol": contender.protocol,
        "engine": contender.engine,
        "setting": contender.setting,
        "batching": contender.mean_batch > 1,
        "summary": f"Synthetic: {contender.service_s * 1000:g} ms a request.",
        "components": contender.components,
        "extra_ports": [],
        "options": contender.options,
    } | ({"form": contender.form} if contender.form else {})


def open_loop_rows(
    contender: SyntheticContender, rate_rps: float, steady_s: float, seed: int
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n_requests = int(rate_rps * (WARMUP_S + steady_s) * 1.5) + 50
    scheduled_s = np.cumsum(rng.exponential(1 / rate_rps, n_requests))
    scheduled_s = scheduled_s[scheduled_s < WARMUP_S + steady_s]
    sent_s = scheduled_s + contender.send_lag_s
    service_s = rng.uniform(0.5, 1.5, len(sent_s)) * contender.service_s
    # Served in order of arrival: done = max(arrival, previous done) + service (Lindley).
    served_s = np.cumsum(service_s)
    free_s = np.maximum.accumulate(sent_s - (served_s - service_s))
    done_s = free_s + served_s + contender.overhead_s
    return rows(scheduled_s, sent_s, done_s)


def rows(
    scheduled_s: Sequence[float] | np.ndarray,
    sent_s: Sequence[float] | np.ndarray,
    done_s: Sequence[float] | np.ndarray,
    status: Sequence[str] | str = "ok",
) -> pd.DataFrame:
    frame = pd.DataFrame({"scheduled_s": scheduled_s, "sent_s": sent_s, "done_s": done_s})
    frame["phase"] = np.where(frame["scheduled_s"] < WARMUP_S, "warm-up", "steady")
    frame["status"] = status
    frame["request_index"] = np.arange(len(frame))
    frame["text_id"] = frame["request_index"] % 100
    frame["n_tokens"] = LENGTHS[frame["request_index"] % len(LENGTHS)]
    frame["worker"] = 0
    return frame


def telemetry(steady_s: float, cpu_per_s: float) -> pd.DataFrame:
    t_s = np.arange(0.0, WARMUP_S + steady_s + 0.5, 0.25)
    return pd.DataFrame(
        {
            "t_s": t_s,
            "server_cpu_s": 5.0 + t_s * cpu_per_s,
            "server_rss_bytes": 300_000_000 + (t_s * 1000).astype(int),
            "load_cpu_s": 1.0 + t_s * 0.1,
            "load_rss_bytes": 50_000_000,
        }
    )


class SyntheticRun:
    """A run folder under construction."""

    def __init__(self, folder: Path, contenders: Sequence[str], **changes: Any) -> None:
        self.folder = folder
        (folder / "trials").mkdir(parents=True)
        self.telemetry_changes: dict[str, Any] = {}
        self.n_trials = 0
        self.steady_s = float(changes.pop("steady_s", 6.0))
        load = {
            "rates_rps": changes.pop("rates_rps", [200.0]),
            "concurrency": changes.pop("concurrency", []),
            "warmup_s": WARMUP_S,
            "steady_s": self.steady_s,
            "request_timeout_s": 10.0,
            "workers": 1,
            "arrivals": changes.pop("arrivals", {"kind": "poisson"}),
        }
        self.manifest: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "run_id": folder.name,
            "created_at": "2026-11-21T21:30:00+00:00",
            "finished_at": "2026-11-21T21:36:00+00:00",
            "command": "study run synthetic.toml",
            "experiment": {
                "name": "synthetic",
                "description": "Synthetic rows of simulated servers: nothing was measured.",
                "seed": 7,
                "rounds": changes.pop("repeats", 1),
                "time_budget_s": 540.0,
                "reference": contenders[0],
                "contenders": list(contenders),
                "slo": {"percentile": 99, "latency_ms": 100, "max_error_ratio": 0.001},
                "more_slos": changes.pop("more_slos", []),
                "aa_test": changes.pop("aa_test", None),
                "min_difference": changes.pop("min_difference", 0.05),
                "load": load,
                "calibration": {
                    "contenders": ["null-http"],
                    "concurrency": 16,
                    "warmup_s": 1,
                    "steady_s": 3,
                },
            },
            "machine": {
                "platform": "Linux",
                "cpu_model": "Synthetic CPU",
                "cpu_count": 2,
                "memory_bytes": 8 * 2**30,
                "gpu": None,
                "python": "3.11.0",
            },
            "versions": {"torch": "0.0", "onnxruntime": "0.0"},
            "git": {"commit": "0" * 40, "dirty": False},
            "model": {
                "name": "small",
                "digest": "a" * 64,
                "weights": "seeded",
                "notes": ["The weights are seeded, not trained: labels mean nothing."],
                "accuracy": None,
            },
            "traffic": {"source": "synthetic", "digest": "b" * 64, "n_texts": 100},
            "cores": {"server": [0], "load": [1]},
        } | changes
        self.save()

    def save(self) -> None:
        write_json(self.folder / "manifest.json", self.manifest)

    def add(
        self,
        contender: SyntheticContender,
        requests: pd.DataFrame | None,
        level: Level,
        repeat: int = 1,
        **changes: Any,
    ) -> Path:
        """Writes one trial; requests None: it failed."""
        purpose: Purpose = changes.pop("purpose", "measurement")
        name = f"{contender.name}-{level.label}-{repeat}"
        folder = (
            self.folder / "trials" / (name if purpose == "measurement" else f"{purpose}-{name}")
        )
        folder.mkdir()
        self.n_trials += 1
        n_ok = 0 if requests is None else int((requests["status"] == "ok").sum())
        n_executions = int(n_ok / contender.mean_batch)
        record = TrialRecord(
            trial_id=folder.name,
            purpose=purpose,
            contender=facts(contender),
            level=level,
            repeat=repeat,
            order=0,
            status="completed" if requests is not None else "failed",
            reason=contender.fails,
            log_tail=("Traceback", "RuntimeError: synthetic") if contender.fails else (),
            started_at=f"2026-11-21T21:{31 + self.n_trials // 60}:{self.n_trials % 60:02}+00:00",
            startup_s=1.5,
            phases=Phases(WARMUP_S, self.steady_s, 1.0),
            cores={role: tuple(cores) for role, cores in self.manifest["cores"].items()},
            machine=QUIET,
            parity=ParityRecord(checked=20, mismatches=0, max_confidence_gap=0.0001),
            counters_before=counters(10, 10, 10),
            counters_after=counters(10 + n_ok, 10 + n_ok, 10 + n_executions),
            telemetry_sources={name: source_of(name) for name in contender.telemetry},
        )
        write_trial(folder, replace(record, **changes))
        if requests is not None:
            cpu_per_s = min(n_ok / (WARMUP_S + self.steady_s) * contender.service_s, 1.0)
            write_table(folder / "requests.parquet", requests, REQUESTS_SCHEMA)
            samples = telemetry(self.steady_s, cpu_per_s).assign(
                **self.telemetry_changes, **contender.telemetry
            )
            write_table(folder / "telemetry.parquet", samples, TELEMETRY_SCHEMA)
        return folder

    def simulate(
        self, contenders: Sequence[SyntheticContender], purpose: Purpose = "measurement"
    ) -> None:
        """Every contender at every arrival rate and repeat of the manifest."""
        experiment = self.manifest["experiment"]
        for contender in contenders:
            for rate_rps in experiment["load"]["rates_rps"]:
                for repeat in range(1, experiment["rounds"] + 1):
                    seed = int(rate_rps) * 10 + repeat
                    requests = open_loop_rows(contender, rate_rps, self.steady_s, seed)
                    self.add(
                        contender,
                        None if contender.fails else requests,
                        Level("open", rate_rps=rate_rps),
                        repeat,
                        purpose=purpose,
                    )

    def calibrate(self, name: str, protocol: str, ceiling_rps: int, **changes: Any) -> None:
        contender = SyntheticContender(name, 1e-6, protocol=protocol)
        done_s = np.arange(0, WARMUP_S + self.steady_s, 1 / ceiling_rps)
        level = Level("closed", concurrency=16)
        requests = rows(done_s - 0.001, done_s - 0.001, done_s)
        self.add(contender, requests, level, purpose="calibration", parity=None, **changes)


def source_of(column: str) -> str:
    return "nvml gpm" if "active" in column else "nvml"


def counters(n_ok: int, inferences: int, executions: int) -> dict[str, int | None]:
    return {
        "requests_ok": n_ok,
        "requests_failed": 0,
        "inferences": inferences,
        "executions": executions,
        "real_tokens": inferences * 12,
        "padded_tokens": inferences * 16,
    }
