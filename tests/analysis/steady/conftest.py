"""One trial with given rows, and what it measured."""

import pandas as pd
import pytest

from analysis.read.run import Run, load_run
from analysis.steady.metrics import measure
from analysis.steady.sample import Sample, take_sample
from loadtests.records.trials import Level

AT_100 = Level("open", rate_rps=100.0)


@pytest.fixture
def sampled(new_run, contender):
    """Writes one trial with the given rows and returns its steady state."""

    def take(requests: pd.DataFrame, **changes) -> tuple[Sample, Run]:
        run = new_run(["one"], rates_rps=[100.0], steady_s=10.0)
        run.add(contender("one", 0.002), requests, AT_100, **changes)
        loaded = load_run(run.folder)
        return take_sample(loaded.trials[0]), loaded

    return take


@pytest.fixture
def measured(sampled):
    def take(requests: pd.DataFrame, **changes):
        sample, run = sampled(requests, **changes)
        return measure([sample], run.manifest.experiment.slo)

    return take
