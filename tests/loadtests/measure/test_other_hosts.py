"""Load workers that join from elsewhere, one of them with a clock of its own."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.generator.schedule import open_schedule
from loadtests.launch.server import free_ports
from loadtests.measure.locust_process import REPLAY_FILE, Listen, load_generator
from loadtests.records.arrivals import Poisson

AHEAD_S = 5000.0

OTHER_CLOCK = f"""
import time

ours = time.monotonic
time.monotonic = lambda: ours() + {AHEAD_S}
exec(compile(open({str(REPLAY_FILE)!r}).read(), {str(REPLAY_FILE)!r}, "exec"))
"""


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Runs a command as somebody on another host would."""
    with ExitStack() as stack:

        def run(command: str) -> None:
            _, *arguments = shlex.split(command)
            log = stack.enter_context((tmp_path / "worker.log").open("ab"))
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=tmp_path, stdout=log, stderr=log
            )
            stack.callback(process.wait, 20)
            stack.callback(process.kill)

        yield run


def test_workers_whose_clocks_differ_replay_one_schedule_together(
    join: Callable[[str], None], null_server, traffic_file: Path, order_of, tmp_path: Path
) -> None:
    schedule = open_schedule(Poisson(), 60, 1.5, 20, (2,))
    listen = Listen("127.0.0.1", free_ports(()).main)
    other = tmp_path / "other_clock.py"
    other.write_text(OTHER_CLOCK, encoding="utf-8")
    with load_generator(traffic_file, (), 2, tmp_path / "log", listen) as generator:
        join(listen.join_command)
        join(listen.join_command.replace("-f -", f"-f {other}"))
        replayed = generator.replay(order_of(null_server("null-http"), schedule), schedule)
    rows = replayed.rows
    assert rows["request_index"].tolist() == list(range(len(schedule.times_s)))
    assert set(rows["status"]) == {"ok"}
    assert (rows["sent_s"] >= rows["scheduled_s"]).all()
    # Each worker sends about when the schedule says on its own clock, started by the leader's.
    late_s = (rows["sent_s"] - rows["scheduled_s"]).groupby(rows["worker"]).median()
    assert (late_s < 0.5).all()
    near, far = sorted(replayed.clock_offsets.values(), key=lambda offset: offset.offset_s)
    assert abs(near.offset_s) <= near.uncertainty_s
    assert far.offset_s == pytest.approx(AHEAD_S, abs=far.uncertainty_s)
    assert far.uncertainty_s < 1.0
