"""Runs over simulated services whose rows follow their laws exactly: nothing here was measured."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.read.run import REQUEST_COLUMNS, TELEMETRY_COLUMNS, Run, Trial
from analysis.selfcheck.laws import Law, latencies_s
from loadtests.records.manifest import Manifest
from loadtests.records.trials import Level, ParityRecord, Phases, TrialRecord

WARMUP_S, STEADY_S = 0.5, 6.0
RATE_RPS = 100.0
OVERHEAD_S = 0.0004
"""What a client and a loopback add to each request."""


@pytest.fixture(scope="session")
def law_options(root: Path) -> Callable[..., dict[str, Any]]:
    """The options of the contender `law`, some of them changed."""
    declared = tomllib.loads((root / "servers/simulated_service/server.toml").read_text())
    return lambda **changes: {**declared["contenders"]["simulated"]["options"], **changes}


@pytest.fixture(scope="session")
def law(law_options) -> Callable[..., Law]:
    return lambda **changes: Law.model_validate(law_options(**changes))


def arrivals_s(repeat: int, rate_rps: float) -> np.ndarray:
    gaps = np.random.default_rng(repeat).exponential(1 / rate_rps, int(20 * rate_rps))
    times = np.cumsum(gaps)
    return times[times < WARMUP_S + STEADY_S]


def exact_rows(law: Law, scheduled_s: np.ndarray) -> pd.DataFrame:
    """What a faultless client records of a service that follows its law."""
    latency_s = latencies_s(law, scheduled_s)
    numbers = np.arange(len(scheduled_s))
    failed = (numbers >= law.errors_from) & (numbers < law.errors_to)
    answered = ~np.isnan(latency_s)
    return pd.DataFrame(
        {
            "request_index": numbers,
            "n_tokens": 10,
            "phase": np.where(scheduled_s < WARMUP_S, "warm-up", "steady"),
            "scheduled_s": scheduled_s,
            "sent_s": scheduled_s + OVERHEAD_S / 2,
            "done_s": scheduled_s + OVERHEAD_S + np.where(answered, latency_s, 0.0),
            "status": np.where(answered, "ok", np.where(failed, "http_500", "connection")),
        }
    )[REQUEST_COLUMNS]


class SimulatedRun:
    """A run in memory; only the logs of its services are on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trials: list[Trial] = []
        self._names: list[str] = []

    def add(
        self,
        name: str,
        options: dict[str, Any],
        *,
        repeats: int = 3,
        rate_rps: float = RATE_RPS,
        spoil: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows,
        late_ms: float = 0.1,
        **record: Any,
    ) -> None:
        """A contender whose rows follow its law; spoil changes them as a broken harness would."""
        if name not in self._names:
            self._names.append(name)
        law = Law.model_validate(options)
        for repeat in range(1, repeats + 1):
            rows = spoil(exact_rows(law, arrivals_s(repeat, rate_rps)))
            n_ok = law.miscount_every and int((rows["status"] == "ok").sum() / law.miscount_every)
            n_ok += int((rows["status"] == "ok").sum())
            trial = TrialRecord(
                trial_id=f"r{repeat}-{name}-{rate_rps:g}rps",
                purpose="measurement",
                contender={
                    "name": name,
                    "server": "simulated_service",
                    "protocol": "http-json",
                    "options": options,
                },
                level=Level("open", rate_rps=rate_rps),
                repeat=repeat,
                order=len(self._trials),
                status="completed",
                phases=Phases(WARMUP_S, STEADY_S),
                parity=ParityRecord(20, 0 if law.answer == "null" else 20, 0.0),
                counters_before={"requests_ok": 3},
                counters_after={"requests_ok": 3 + n_ok},
                reply_lateness_p99_ms=late_ms,
            )
            telemetry = pd.DataFrame(columns=TELEMETRY_COLUMNS, dtype=float)
            self._trials.append(Trial(replace(trial, **record), rows, telemetry))

    def read(self) -> Run:
        return Run(self._folder, manifest(self._names), tuple(self._trials))


def manifest(contenders: Sequence[str]) -> Manifest:
    load = {"rates_rps": [RATE_RPS], "concurrency": [], "warmup_s": WARMUP_S, "steady_s": STEADY_S}
    load |= {"request_timeout_s": 3.0, "workers": 1}
    experiment = {
        "name": "simulated",
        "description": "",
        "seed": 1,
        "rounds": 3,
        "time_budget_s": 540,
        "load": load,
    }
    experiment |= {"reference": contenders[0], "contenders": list(contenders)}
    experiment |= {"slo": {"percentile": 99, "latency_ms": 50, "max_error_ratio": 0.001}}
    machine = {"platform": "none", "cpu_model": "simulated", "cpu_count": 1, "memory_bytes": 2**30}
    return Manifest.model_validate(
        {
            "run_id": "simulated",
            "created_at": "",
            "finished_at": "",
            "command": "",
            "experiment": experiment | {"min_difference": 0.1},
            "machine": machine | {"gpu": None, "python": ""},
            "versions": {},
            "git": {"commit": None, "dirty": None},
            "model": {"name": "none", "digest": "", "weights": "none"},
            "traffic": {"source": "none", "digest": "", "n_texts": 1},
            "cores": {},
        }
    )


@pytest.fixture
def simulated_run(tmp_path: Path) -> SimulatedRun:
    return SimulatedRun(tmp_path)
