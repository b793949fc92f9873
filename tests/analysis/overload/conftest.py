"""Synthetic overloads: a queue in order of arrival with known answers. Nothing was measured."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from loadtests.records.overload import Overload
from loadtests.records.steady_state import with_recovery
from loadtests.records.trials import Level, Phases

from ..synthetic import WARMUP_S, SyntheticContender, SyntheticRun, rows

CAPACITY_RPS, OVERLOAD_S, RECOVER_S = 400.0, 3.0, 4.0
SERVICE_S = 0.002
TIMEOUT_S = 3.0


def overload_rows(
    factor: float, seed: int, bound: int | None = None, slowed_by: float = 0.0
) -> pd.DataFrame:
    """One server that takes 2 ms a request. bound: so many wait, others get 503 after 1 ms;
    slowed_by: how much longer each waiting request makes the service."""
    process, rate_rps = Overload(CAPACITY_RPS, factor, RECOVER_S).arrivals(WARMUP_S, OVERLOAD_S)
    length_s = WARMUP_S + OVERLOAD_S + RECOVER_S
    due_s = process.times_s(rate_rps, length_s, np.random.default_rng(seed))
    done_s, status = np.empty(len(due_s)), np.full(len(due_s), "ok", dtype=object)
    served_until_s: list[float] = []
    for i, now_s in enumerate(due_s):
        served_until_s = [t for t in served_until_s if t > now_s]
        if bound is not None and len(served_until_s) > bound:
            done_s[i], status[i] = now_s + 0.001, "http_503"
            continue
        free_s = served_until_s[-1] if served_until_s else now_s
        done_s[i] = free_s + SERVICE_S * (1 + slowed_by * len(served_until_s))
        served_until_s.append(done_s[i])
    status[done_s - due_s > TIMEOUT_S] = "timeout"
    done_s = np.minimum(done_s, due_s + TIMEOUT_S)
    made = rows(due_s, due_s + 0.0001, done_s, list(status))
    return made.assign(phase=with_recovery(made, Phases(WARMUP_S, OVERLOAD_S)))


class OverloadRun(SyntheticRun):
    def overload(
        self,
        contender: SyntheticContender,
        factor: float,
        repeat: int,
        law: Mapping[str, Any] = MappingProxyType({}),
        **changes: Any,
    ) -> None:
        self.steady_s = OVERLOAD_S
        requests = overload_rows(factor, seed=repeat, **law)
        level = Level("open", rate_rps=factor * CAPACITY_RPS)
        self.add(
            contender,
            requests,
            level,
            repeat,
            purpose="overload",
            overload=Overload(CAPACITY_RPS, factor, RECOVER_S),
            **changes,
        )


LAWS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"queues": {}, "sheds": {"bound": 20}, "collapses": {"slowed_by": 0.02}}
)


def build_overload_run(folder: Path) -> Path:
    """Four contenders that differ beyond capacity only; `untried` has no overload."""
    options = {"sheds": {"max_in_progress": 20}}
    contenders = [
        SyntheticContender(name, SERVICE_S, options=options.get(name, {}))
        for name in (*LAWS, "untried")
    ]
    run = OverloadRun(
        folder,
        [contender.name for contender in contenders],
        rates_rps=[100.0, 200.0, 300.0, 400.0],
        repeats=2,
        steady_s=6.0,
        overload={
            "factors": [1.0, 1.5, 2.0],
            "overload_s": OVERLOAD_S,
            "recover_s": RECOVER_S,
            "repeats": 3,
        },
    )
    run.manifest["experiment"]["overload"] = run.manifest.pop("overload")
    run.save()
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(contenders)
    for contender in contenders[:-1]:
        for factor in (1.0, 1.5, 2.0):
            for repeat in (1, 2, 3):
                run.overload(contender, factor, repeat, LAWS[contender.name])
    return run.folder


@pytest.fixture(scope="session")
def overload_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_overload_run(tmp_path_factory.mktemp("runs") / "synthetic-overload")


@pytest.fixture(scope="session")
def overload_summary(overload_run: Path) -> Summary:
    return summarise(load_run(overload_run))


@pytest.fixture
def point(overload_summary: Summary) -> Callable[[str, float], object]:
    found = {(p.contender, p.factor): p for p in overload_summary.overloads}
    return lambda name, factor: found[name, factor]


@pytest.fixture
def new_overload_run(tmp_path: Path) -> Callable[..., tuple[OverloadRun, SyntheticContender]]:
    """A run of contender `a` at 100 rps, to which overloads are to be added."""

    def start(**changes: Any) -> tuple[OverloadRun, SyntheticContender]:
        run = OverloadRun(tmp_path / "synthetic-run", ["a"], rates_rps=[100.0], **changes)
        run.calibrate("null-http", "http-json", 4000)
        contender = SyntheticContender("a", SERVICE_S)
        run.simulate([contender])
        return run, contender

    return start
