"""What a results folder can hold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtests.records.stored import SCHEMA_VERSION, RecordError
from loadtests.records.trials import (
    Level,
    MachineState,
    TrialRecord,
    read_json,
    read_trial,
    write_json,
    write_trial,
)


def test_half_a_surrogate_pair_is_written_as_the_escape_it_was_and_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "manifest.json"
    content = {"schema_version": SCHEMA_VERSION, "command": "study run a\udce9.toml 中"}
    write_json(path, content)
    expected = {"schema_version": SCHEMA_VERSION, "command": r"study run a\udce9.toml 中"}
    assert read_json(path) == json.loads(path.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize("cores", [{}, {"server": ()}], ids=["none named", "none"])
@pytest.mark.parametrize(
    "shares",
    [
        {"foreign_share": {"server": 0.2, "load": None}},
        {"machine": MachineState(steal_share={"server": 0.2})},
        {"machine": MachineState(idle_cpu_share=0.2)},
    ],
    ids=["foreign", "steal", "idle"],
)
def test_a_share_of_cores_that_a_trial_did_not_have_is_refused(
    cores: Mapping[str, tuple[int, ...]], shares: dict[str, Any], tmp_path: Path
) -> None:
    contender = {
        **{"name": "a", "server": "a", "protocol": "http-json", "engine": "none"},
        **{"setting": "tuned", "batching": False, "summary": "", "components": 1},
    }
    trial = TrialRecord(
        *("r1-a-30rps", "measurement", contender, Level("open", rate_rps=30), 1, 1, "failed"),
        cores=cores,
        **shares,
    )
    write_trial(tmp_path, trial)
    with pytest.raises(RecordError, match="the cores of 'server', and no such cores"):
        read_trial(tmp_path)
