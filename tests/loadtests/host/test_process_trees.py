"""CPU seconds of process trees, from a /proc made up and from the real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.host.pressure import TICKS_PER_S
from loadtests.host.process_trees import cpu_s_of_trees


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """init, two trees of which one has lost a child to init, and a stranger."""
    for pid, parent, session, ticks in (
        (1, 0, 1, (9, 9, 9, 9)),
        (10, 1, 10, (1, 2, 3, 4)),
        (11, 10, 10, (10, 0, 0, 0)),
        (12, 11, 12, (100, 0, 0, 0)),  # a grandchild in a session of its own
        (13, 1, 10, (1000, 0, 0, 0)),  # its parent has ended
        (20, 1, 20, (5, 0, 0, 0)),
        (30, 1, 30, (77, 0, 0, 0)),
    ):
        (tmp_path / str(pid)).mkdir()
        line = f"{pid} (a ) name) S {parent} {pid} {session} 0 -1 0 0 0 0 0 "
        (tmp_path / str(pid) / "stat").write_text(line + " ".join(map(str, ticks)) + " 20 0 1")
    (tmp_path / "uptime").touch()
    return tmp_path


def test_a_tree_is_what_descends_from_its_root_and_what_stayed_in_its_session(proc: Path) -> None:
    found = cpu_s_of_trees({"one": 10, "other": 20}, proc)
    assert found == {"one": pytest.approx(1120 / TICKS_PER_S), "other": 5 / TICKS_PER_S}


def test_a_root_that_has_ended_is_left_out(proc: Path) -> None:
    assert cpu_s_of_trees({"gone": 99}, proc) == {}


def test_where_there_is_no_proc_nothing_is_known(tmp_path: Path) -> None:
    assert cpu_s_of_trees({"one": 10}, tmp_path / "none") == {}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_child_that_has_ended_used_is_counted() -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    before = cpu_s_of_trees({"me": os.getpid()})["me"]
    subprocess.run([sys.executable, "-S", "-c", spin], check=True)
    assert cpu_s_of_trees({"me": os.getpid()})["me"] - before > 0.15
