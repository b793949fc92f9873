"""Sampling processes by role beside a trial, and naming where each column came from."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests.host import nvml
from loadtests.host.cores import available_cores
from loadtests.measure import telemetry
from loadtests.measure.telemetry import SOURCES, ProcessTree, Sampler, process_roles
from loadtests.records.tables import TELEMETRY_SCHEMA, read_telemetry, write_table
from servers.discovery import discover

PARENT_AND_CHILD = """
import subprocess, sys
work = "sum(range(30_000_000)); input()"
child = subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
"""


class SteadyGpu:
    """One quantity that is measured and one that is refused."""

    @contextmanager
    def readings(self) -> Iterator["SteadyGpu"]:
        yield self

    def sample(self) -> dict[str, Any]:
        return dict.fromkeys(nvml.SOURCES) | {"gpu_busy_pct": 40}


@pytest.fixture(scope="module")
def parent_and_child() -> Iterator[tuple[psutil.Process, psutil.Process]]:
    """An idle process and its child, which has used some CPU time."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT_AND_CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        while child.status() != psutil.STATUS_SLEEPING or child.cpu_times().user < 0.2:
            assert child.is_running()
        yield psutil.Process(parent.pid), child
        child.kill()
        parent.kill()


@pytest.fixture
def sampled() -> Callable[..., Sampler]:
    def sample(roles: dict[str, int], gpu: Any = None) -> Sampler:
        with Sampler(roles, gpu) as sampler:
            pass
        return sampler

    return sample


def test_a_tree_counts_children_and_a_gateway_only_itself(parent_and_child) -> None:
    parent, child = parent_and_child
    whole = ProcessTree(parent.pid).usage()
    alone = ProcessTree(parent.pid, descend=False).usage()
    assert whole is not None
    assert alone is not None
    assert whole.cpu_s - alone.cpu_s == pytest.approx(sum(child.cpu_times()[:2]), abs=0.05)
    assert whole.rss_bytes > alone.rss_bytes


def spawned(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_work_of_a_child_that_has_ended_is_kept() -> None:
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    with spawned(f"{work}; print(flush=True); input()") as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        usage = ProcessTree(parent.pid).usage()
        own = psutil.Process(parent.pid).cpu_times()
        parent.kill()
    assert usage is not None
    assert usage.cpu_s - own.user - own.system == pytest.approx(
        own.children_user + own.children_system
    )
    assert own.children_user > 0.05


def test_a_process_whose_parent_has_ended_still_belongs_to_the_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "LOOK_FOR_MEMBERS_EVERY", 1)
    middle = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid); input()"
    with spawned(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {middle!r}])") as (
        parent
    ):
        assert parent.stdout is not None
        assert parent.stdin is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        tree = ProcessTree(parent.pid)
        tree.usage()
        parent.stdin.close()
        parent.wait()
        try:
            assert tree.usage() is not None
            assert tree.pids == [orphan.pid]
        finally:
            orphan.kill()


def test_a_process_that_has_gone_has_no_usage() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tree = ProcessTree(process.pid)
        assert tree.usage() is not None
        process.kill()
    assert tree.usage() is None


def test_children_are_looked_for_only_now_and_then(
    parent_and_child, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(
        psutil.Process, "children", lambda process, recursive: looked.append(process.pid) or []
    )
    tree = ProcessTree(parent_and_child[0].pid)
    for _ in range(telemetry.LOOK_FOR_MEMBERS_EVERY + 1):
        tree.usage()
    assert len(looked) == 2


def test_only_a_contender_that_declares_a_gateway_has_one() -> None:
    contenders = discover()
    assert process_roles(contenders["hybrid"], 10, 20) == {"server": 10, "gateway": 10, "load": 20}
    assert process_roles(contenders["triton"], 10, 20) == {"server": 10, "load": 20}


def test_a_server_that_the_study_did_not_start_is_not_watched() -> None:
    assert process_roles(discover()["hybrid"], None, 20) == {"load": 20}


def test_columns_of_a_role_that_is_absent_are_null_and_have_no_source(
    sampled, parent_and_child, tmp_path: Path
) -> None:
    pid = parent_and_child[0].pid
    sampler = sampled({"server": pid, "load": pid})
    write_table(tmp_path / "telemetry.parquet", sampler.frame(0.0), TELEMETRY_SCHEMA)
    rows = read_telemetry(tmp_path)
    assert rows["gateway_cpu_s"].isna().all()
    assert sampler.sources["gateway_cpu_s"] is None
    assert rows["server_cpu_s"].notna().all()
    assert sampler.sources["server_cpu_s"] == "psutil cpu_times, process tree"


def test_a_gateway_is_sampled_beside_the_tree_it_belongs_to(sampled, parent_and_child) -> None:
    pid = parent_and_child[0].pid
    sampler = sampled({"server": pid, "gateway": pid, "load": pid})
    last = sampler.frame(0.0).iloc[-1]
    assert last["gateway_cpu_s"] < last["server_cpu_s"]
    assert sampler.sources["gateway_cpu_s"] == "psutil cpu_times, one process"


def test_a_gpu_column_has_a_source_only_where_there_was_a_value(sampled, parent_and_child) -> None:
    sampler = sampled({"load": parent_and_child[0].pid}, SteadyGpu())
    assert sampler.sources["gpu_busy_pct"] == "nvml"
    assert sampler.sources["gpu_sm_active_ratio"] is None
    assert sampler.frame(0.0)["gpu_energy_j"].isna().all()


def test_without_a_gpu_its_columns_are_null(sampled, parent_and_child, tmp_path: Path) -> None:
    sampler = sampled({"load": parent_and_child[0].pid})
    write_table(tmp_path / "telemetry.parquet", sampler.frame(0.0), TELEMETRY_SCHEMA)
    rows = read_telemetry(tmp_path)
    for name in nvml.SOURCES:
        assert rows[name].isna().all()
        assert sampler.sources[name] is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts by core")
def test_cores_are_read_by_side_and_name_their_source(parent_and_child, tmp_path: Path) -> None:
    pid, core = parent_and_child[0].pid, min(available_cores())
    with Sampler({"server": pid, "load": pid}, None, {"server": (core,)}) as sampler:
        pass
    write_table(tmp_path / "telemetry.parquet", sampler.frame(0.0), TELEMETRY_SCHEMA)
    rows = read_telemetry(tmp_path)
    assert rows["server_cores_idle_s"].notna().all()
    assert sampler.sources["server_cores_idle_s"] == "/proc/stat, the server's cores"
    assert rows["load_cores_idle_s"].isna().all()
    assert sampler.sources["load_cores_idle_s"] is None
    assert rows["study_cpu_s"].gt(0).all()


def test_where_no_cores_are_watched_nothing_is_known_of_them(sampled, parent_and_child) -> None:
    sampler = sampled({"load": parent_and_child[0].pid})
    assert not [name for name in sampler.frame(0.0) if "_cores_" in name]


def test_every_column_names_its_source() -> None:
    assert {"t_s", *SOURCES} == set(TELEMETRY_SCHEMA.names)


@pytest.mark.live
def test_the_gateway_of_hybrid_is_one_process_of_its_tree(shared_hybrid) -> None:
    pid = shared_hybrid.process.pid
    roles = process_roles(discover()["hybrid"], pid, pid)
    gateway = ProcessTree(roles["gateway"], descend=False).usage()
    tree = ProcessTree(roles["server"]).usage()
    assert gateway is not None
    assert tree is not None
    assert gateway.rss_bytes < tree.rss_bytes
